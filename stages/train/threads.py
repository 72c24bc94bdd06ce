"""How many CPU threads a run uses: part of its settings, because sums depend on how they are split."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def chosen(wanted: int, recorded: int | None) -> int:
    """`wanted`, or for 0 what the run was started with, or what this machine and OMP_NUM_THREADS allow."""
    return wanted or recorded or available()


def available() -> int:
    """Cores that this process may use, at most OMP_NUM_THREADS where that is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdecimal() and int(limit) else cores


@contextmanager
def repeatable(count: int, device: str) -> Iterator[None]:
    """`count` threads and, on the CPU, deterministic algorithms, inside the block; as before after it."""
    import torch

    threads, was = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.set_num_threads(count)
    if device == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = False  # it fills every new tensor with NaN, for debugging
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(was, warn_only=warned)
        memory.fill_uninitialized_memory = filled

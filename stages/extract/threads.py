"""How many decoder threads a video gets: the cores, shared among the videos that are decoded at the same time."""

import os

MOST = 16  # more gain nothing, and each holds frames in memory


def decoder_threads(workers: int, todo: int, cores: int | None = None) -> int:
    """At least one for each of `workers` children, of which no more than `todo` have something to do; `cores` (default:
    all) are shared among them."""
    cores = cores or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return min(MOST, max(1, cores // max(1, min(workers, todo))))

"""The benchmarks by name. To add one: a file with a `read` function, and a line here."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from strive.configs.errors import UsageError
from strive.configs.load import nearest
from strive.stages.eval.benchmarks.data import BenchData

Read = Callable[[Path, Path], BenchData]

BENCHMARKS = {
    "demo": "strive.stages.eval.benchmarks.demo:read",
    "videomme": "strive.stages.eval.benchmarks.videomme:read",
}
ABOUT = {
    "demo": "the built-in world's held-out questions (folder of `strive demo`)",
    "videomme": "Video-MME without subtitles, published layout (parquet + videos_chunked_*.zip), 2700 questions",
}

__all__ = ["ABOUT", "BENCHMARKS", "BenchData", "benchmark"]


def benchmark(name: str) -> Read:
    """The reader: (data folder, folder for unpacked videos) → `BenchData`; `UsageError` for an unknown name."""
    if name not in BENCHMARKS:
        raise UsageError(f"unknown benchmark {name!r}", f"one of {', '.join(BENCHMARKS)}", nearest(name, BENCHMARKS))
    module, _, function = BENCHMARKS[name].partition(":")
    return cast(Read, getattr(import_module(module), function))

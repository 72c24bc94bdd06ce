"""The benchmarks by name. To add one: a file with a `read` function and what it knows of its rows, and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

from strive.configs.errors import UsageError
from strive.configs.load import nearest
from strive.stages.eval.benchmarks.data import BenchData, Rows
from strive.stages.eval.published import Published

Read = Callable[[Path, Path], BenchData]
ROOT = "strive.stages.eval.benchmarks."


@dataclass(frozen=True)
class Benchmark:
    """`reader`: "module:function" in this folder, (data folder, folder for unpacked videos) → `BenchData`.

    `folder`: what `--bench all` looks for in its data folder, "" to leave the benchmark out there.
    """

    reader: str
    about: str
    folder: str = ""


BENCHMARKS = {
    "demo": Benchmark("demo:read", "the built-in world's held-out questions (folder of `strive demo`)"),
    "videomme": Benchmark("videomme:read", "Video-MME without subtitles, 2700 questions", "videomme"),
    "videomme_w_subtitle": Benchmark(
        "videomme:read_with_subtitles", "Video-MME with the subtitles of the shown frames, 2700 questions"),
    "tempcompass": Benchmark(
        "tempcompass:read", "TempCompass: multiple choice, yes/no, caption matching, captioning, 7540 questions",
        "tempcompass"),
    "tempcompass_video_r1": Benchmark(
        "tempcompass:read_as_choices", "TempCompass as Video-R1 asks it: 7540 rows, all multiple choice"),
    "videommmu": Benchmark("videommmu:read", "Video-MMMU: three tracks, 900 questions, and the knowledge gain where "
                           "the question-only clips are there", "videommmu"),
    "mmvu": Benchmark("mmvu:read", "MMVU validation: 625 multiple choice, 375 open", "mmvu"),
    "vsibench": Benchmark("vsibench:read", "VSI-Bench, 5130 questions of eight tasks", "vsibench"),
    "vsibench_debiased": Benchmark("vsibench:read_debiased", "VSI-Bench, the debiased part"),
    "vsibench_pruned": Benchmark("vsibench:read_pruned", "VSI-Bench, the pruned questions"),
    "perceptiontest": Benchmark("perceptiontest:read", "PerceptionTest validation, cut as published, 19,140 questions",
                                "perceptiontest"),
    "perceptiontest_test": Benchmark(
        "perceptiontest:read_test", "PerceptionTest test, no answers published: writes submission.json"),
    "mvbench": Benchmark("mvbench:read", "MVBench: 20 tasks, 4000 questions", "mvbench"),
    "video_r1": Benchmark("video_r1:read", "a JSON file of Video-R1's evaluation set (--data FILE.json or its folder)"),
}
ROWS = ("videomme", "tempcompass", "videommmu", "mmvu", "vsibench", "perceptiontest", "mvbench", "demo")
ABOUT = {name: one.about for name, one in BENCHMARKS.items()}

__all__ = ["ABOUT", "BENCHMARKS", "ROWS", "BenchData", "Benchmark", "Rows", "benchmark", "is_aside", "rows_of"]


def benchmark(name: str) -> Read:
    """The reader: (data folder, folder for unpacked videos) → `BenchData`; `UsageError` for an unknown name."""
    if name not in BENCHMARKS:
        raise UsageError(f"unknown benchmark {name!r}", f"one of {', '.join(BENCHMARKS)}", nearest(name, BENCHMARKS))
    module, _, function = BENCHMARKS[name].reader.partition(":")
    return cast(Read, getattr(import_module(ROOT + module), function))


def is_aside(row: Published) -> bool:
    """Whether a row is asked for comparison only and stays out of the benchmark's accuracy."""
    aside = aside_of(row.bench)
    return bool(aside and aside(row))


@cache
def aside_of(bench: str) -> Callable[[Published], bool] | None:
    """What tells such rows of a benchmark, None where it has none."""
    return getattr(rows_of(bench), "aside", None)


@cache
def rows_of(bench: str) -> Rows:
    """What is known of a kind of rows (`bench` of a published row); `UsageError` for an unknown name."""
    if bench not in ROWS:
        raise UsageError(f"unknown benchmark {bench!r}", f"one of {', '.join(ROWS)}", nearest(bench, ROWS))
    return cast(Rows, import_module(ROOT + bench))

"""A JSON file of Video-R1's or EasyVideoR1's evaluation set: multiple choice, numbers, and regression graded by MRA.

DATA/eval_<bench>.json, or a folder with one of them     problem, problem_type, options, solution, path
DATA/Evaluation/<Bench>/…                                videos as `path` says, "./Evaluation/" or not
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.tasks.dataset import read_dataset, resolve_video
from strive.stages.tasks.sample import Sample

LAYOUT = "eval_<bench>.json of Video-R1, with the videos at the paths it names"


def read(data: Path, work: Path) -> BenchData:
    """The questions of one file. Raises `MissingError` without one, `UsageError` when a folder holds several."""
    found = [data] if data.is_file() else sorted(data.glob("eval_*.json"))
    if not found:
        raise MissingError(f"{data}: no eval_*.json", LAYOUT, "Give the file itself with --data.")
    if len(found) > 1:
        raise UsageError(f"{data}: {', '.join(one.name for one in found)}", "one file: their figures are of their own",
                         "Give the one to be measured with --data.")
    samples = read_dataset(found[0])
    return BenchData(samples, finder(found[0].parent, samples), ("original_question_type", "question_type"))


def finder(root: Path, samples: list[Sample]) -> Callable[[Sample], Path]:
    """From sample to video file: below `root` as its path says, with or without "Evaluation/". Raises `UsageError` for
    a path that leaves the folder."""
    for sample in samples:
        resolve_video(sample.video, root)  # refused now, not in the middle of a run

    def find(sample: Sample) -> Path:
        path = PurePosixPath(sample.video)
        short = path.relative_to("Evaluation") if path.parts[0] == "Evaluation" else path
        for name in (str(path), str(short)):
            if (where := resolve_video(name, root)).is_file():
                return where
        raise ItemError(f"no video {sample.video} in {root.name}")

    return find

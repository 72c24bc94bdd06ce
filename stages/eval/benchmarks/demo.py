"""The built-in world's held-out questions: `eval.jsonl` beside `videos/`, as `strive demo` writes them."""

from pathlib import Path

from strive.configs.errors import MissingError
from strive.stages.eval.benchmarks.data import BenchData, from_dataset, need_folder

FILES = "eval.jsonl and videos/"


def read(data: Path, work: Path) -> BenchData:
    """The samples of a demo world, or of the `world` folder inside a demo's output folder."""
    need_folder(data, f"a folder with {FILES}")
    inner = [folder for folder in (data, data / "world") if (folder / "eval.jsonl").is_file()]
    if not inner:
        raise MissingError(f"{data}: no eval.jsonl", f"a folder with {FILES}", "Make one with: strive demo --out DIR")
    videos = inner[0] / "videos"
    return from_dataset(inner[0] / "eval.jsonl", videos if videos.is_dir() else inner[0])

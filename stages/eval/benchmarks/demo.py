"""The built-in world's held-out questions: `eval.jsonl` beside `videos/`, as `strive demo` writes them.

Its rows are those of any dataset file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError
from strive.stages.eval.benchmarks.data import BenchData, from_dataset, need_folder
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import sample_of

FILES = "eval.jsonl and videos/"


def read(data: Path, work: Path) -> BenchData:
    """The samples of a demo world, or of the `world` folder inside a demo's output folder."""
    need_folder(data, f"a folder with {FILES}")
    inner = [folder for folder in (data, data / "world") if (folder / "eval.jsonl").is_file()]
    if not inner:
        raise MissingError(f"{data}: no eval.jsonl", f"a folder with {FILES}", "Make one with: strive demo --out DIR")
    videos = inner[0] / "videos"
    return from_dataset(inner[0] / "eval.jsonl", videos if videos.is_dir() else inner[0])


def sample(row: Published) -> Sample:
    """The question as it stands. Raises `RowError` when it is none."""
    columns = {name: value for name, value in row.to_json().items() if name != "bench"}
    return sample_of({**columns, "video": video(row)})


def video(row: Published) -> str:
    """`meta.video` where the row tells it, else its id."""
    return str(row.meta.get("video") or row.id)


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """The question type, and the family or task where the row tells it."""
    found = {name: row.meta[name] for name in ("family", "task_type") if isinstance(row.meta.get(name), str)}
    return {"question_type": row.question_type, **found}


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """Nothing is published for one's own dataset."""
    return {}

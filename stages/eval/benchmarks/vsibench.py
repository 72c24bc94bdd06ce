"""VSI-Bench in its published layout (nyu-visionx/VSI-Bench): eight tasks about rooms, four of them numeric.

DATA/test.jsonl                              5130 rows: id, dataset, scene_name, question_type, question, ground_truth,
                                             options
DATA/test_debiased.parquet, test_pruned.parquet, pruned_ids.txt    the debiased part, and what it leaves out
DATA/{arkitscenes,scannet,scannetpp}.zip     members <dataset>/<scene_name>.mp4, or the same unpacked
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError
from strive.stages.eval.benchmarks.assemble import Row, assemble, list_column, text_column
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.json_tables import read_json_lines
from strive.stages.eval.benchmarks.tables import read_parquet
from strive.stages.eval.benchmarks.videos import plain_name, video_finder
from strive.stages.eval.figures.statistics import mean
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of

COLUMNS = ("id", "dataset", "scene_name", "question_type", "question", "ground_truth", "options")
DATASETS = ("arkitscenes", "scannet", "scannetpp")
LAYOUT = "test.jsonl (or test_debiased.parquet, test_pruned.parquet) and arkitscenes.zip, scannet.zip, scannetpp.zip"
NUMERIC = ("object_counting", "object_abs_distance", "object_size_estimation", "room_size_estimation")
DIRECTIONS = ("object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard")
CHOICES = ("object_rel_distance", *DIRECTIONS, "route_planning", "obj_appearance_order")
TASKS = (*NUMERIC, "object_rel_distance", "object_rel_direction", "route_planning", "obj_appearance_order")


def read(data: Path, work: Path) -> BenchData:
    """All questions: of test.jsonl, or where that is not there of the two parts of it."""
    tables = [data / "test.jsonl"] if (data / "test.jsonl").is_file() else [
        data / "test_debiased.parquet", data / "test_pruned.parquet"]
    return assembled(data, work, tables)


def read_debiased(data: Path, work: Path) -> BenchData:
    """The debiased part: what remains when questions that can be answered without seeing are left out."""
    return assembled(data, work, [data / "test_debiased.parquet"])


def read_pruned(data: Path, work: Path) -> BenchData:
    """The questions that the debiased part leaves out."""
    return assembled(data, work, [data / "test_pruned.parquet"])


def assembled(data: Path, work: Path, tables: list[Path]) -> BenchData:
    """The rows of these tables. Raises `MissingError` for a table or all videos missing."""
    need_folder(data, LAYOUT)
    missing = [table.name for table in tables if not table.is_file()]
    if missing:
        raise MissingError(f"{data}: no {' and no '.join(missing)}", LAYOUT, "Download the tables into the folder.")
    archives = [data / f"{name}.zip" for name in DATASETS if (data / f"{name}.zip").is_file()]
    rows = (row for table in tables for row in rows_in(table))
    return assemble(rows, sample, video_finder(data, work, archives, DATASETS, LAYOUT), "vsibench", ("question_type",))


def rows_in(table: Path) -> Iterator[Row]:
    """The rows of one table."""
    found = read_parquet(table, COLUMNS) if table.suffix == ".parquet" else read_json_lines(table, COLUMNS)
    for number, columns in enumerate(found, 1):
        yield f"{table}, row {number}", partial(published, columns)


def published(columns: Mapping[str, Any]) -> Published:
    """A row as it is published. Raises `RowError` for a scene that is no file name."""
    if columns["dataset"] not in DATASETS:
        raise RowError(f"dataset {columns['dataset']!r}"[:200], f"one of {', '.join(DATASETS)}")
    plain_name(columns["scene_name"], "scene_name")
    meta = {name: columns[name] for name in ("dataset", "scene_name", "pruned") if columns.get(name) is not None}
    options = list_column(columns, "options") if columns.get("options") is not None else None
    return Published(text_column(columns, "id"), "vsibench", text_column(columns, "question_type"),
                     text_column(columns, "question"), options, text_column(columns, "ground_truth"), meta)


def sample(row: Published) -> Sample:
    """A numeric task is a number graded by MRA, the others are multiple choice. Raises `RowError`."""
    kind = "numerical" if row.question_type in NUMERIC else "multiple_choice"
    if kind == "multiple_choice" and row.question_type not in CHOICES and not row.options:
        raise RowError(f"question_type {row.question_type!r}", f"one of {', '.join((*NUMERIC, *CHOICES))}")
    meta = {**row.meta, **({"metric": "mra"} if kind == "numerical" else {})}
    return sample_of({"id": row.id, "video": video(row), "question": row.question, "answer": row.answer,
                      "options": list(row.options or []) if kind == "multiple_choice" else None,
                      "question_type": kind, "meta": meta})


def video(row: Published) -> str:
    """dataset/scene.mp4, or the row's id where the row does not tell."""
    dataset, scene = row.meta.get("dataset"), row.meta.get("scene_name")
    return f"{dataset}/{scene}.mp4" if dataset and scene else row.id


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """The task (levels of rel_direction apart), and the dataset of rooms."""
    dataset = row.meta.get("dataset")
    return {"question_type": row.question_type, **({"dataset": dataset} if isinstance(dataset, str) else {})}


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """Overall: the unweighted mean over the eight tasks, rel_direction being the mean of its three levels.

    Numeric tasks by MRA, the others by accuracy (thinking-in-space). `video_r1`: (pooled accuracy + pooled MRA) / 2, as
    Video-R1 reports it. What is missing is averaged over the rest, and said.
    """
    means = tally.means("question_type")
    levels = [means[name] for name in DIRECTIONS if name in means]
    tasks = {name: means.get(name) for name in TASKS}
    tasks["object_rel_direction"] = mean(levels)
    there = [value for value in tasks.values() if value is not None]
    found = {"overall": mean(there), **tasks, "video_r1": halves(tally)}
    gaps = [name for name in TASKS if tasks[name] is None] + [
        name for name in DIRECTIONS if levels and name not in means]
    note = f"overall is over {len(there)} of 8 tasks; missing: {', '.join(gaps)}"
    return {**found, **({"note": note} if gaps else {})}


def halves(tally: Tally) -> float | None:
    """(mean over all choice rows + mean over all numeric rows) / 2; None where one kind is missing."""
    cells = tally.tables.get("question_type", {})
    pooled = []
    for kinds in (NUMERIC, CHOICES):
        group = [cell for name, cell in cells.items() if name in kinds]
        rows = sum(cell.n for cell in group)
        if not rows:
            return None
        pooled.append(sum(cell.total for cell in group) / rows)
    return sum(pooled) / 2

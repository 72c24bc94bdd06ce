"""Rows of VLMEvalKit's prediction files (`<model>_<dataset>.tsv`, `.xlsx`, `.json`).

They have the dataset's columns and `prediction`; lists stand as text, and published columns under other names.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from strive.stages.eval.benchmarks import mmvu, mvbench, tempcompass, videommmu, vsibench
from strive.stages.eval.grading.cells import literal, need, number, present
from strive.stages.eval.grading.rows import ToGrade, check_bench, reply_of
from strive.stages.eval.published import Published
from strive.stages.tasks.sample_rows import RowError

KNOWN = "the columns of Video-MME, TempCompass, VSI-Bench, MVBench, MMVU or Video-MMMU"
LOG = "VLMEvalKit file"
FAILED = "Failed to obtain answer via API."


def kit_row(place: int, record: Mapping[str, Any], path: Path, bench: str | None) -> Iterable[ToGrade]:
    """The row to grade. Raises `RowError` for a table of another dataset."""
    columns = present(record)
    name = bench or bench_of(columns)
    check_bench(name)
    if name not in READERS:
        raise RowError(f"{name} has no form of VLMEvalKit", KNOWN, "Grade rows of strive's own form.")
    reply = reply_of(columns.get("prediction"))
    failed = "the request failed" if FAILED in reply else ""
    return (ToGrade(place, READERS[name](columns), reply, failed=failed),)


def bench_of(columns: Mapping[str, Any]) -> str:
    """The benchmark whose columns these are. Raises `RowError`."""
    if "dim" in columns:
        return "tempcompass"
    if columns.get("type") in (*vsibench.NUMERIC, *vsibench.CHOICES) or "scene_name" in columns:
        return "vsibench"
    if columns.get("category") in videommmu.TRACKS:
        return "videommmu"
    if "choices" in columns and "question_type" in columns:
        return "mmvu"
    if "data_type" in columns and "task_type" in columns:
        return "mvbench"
    if "sub_category" in columns and "candidates" in columns:
        return "videomme"
    raise RowError(f"the columns {', '.join(columns)}"[:300], KNOWN, "Name the benchmark with --bench.")


def videomme_row(columns: Mapping[str, Any]) -> Published:
    """Video-MME; its table leaves the question's id out, so the row's index stands for it."""
    need(columns, ("index", "video", "question", "candidates", "answer"), LOG)
    meta = {name: str(columns[name]) for name in ("duration", "domain", "sub_category", "task_type") if name in columns}
    return Published(str(columns["index"]), "videomme", "", str(columns["question"]),
                     literal(columns["candidates"], list), str(columns["answer"]),
                     {**meta, "videoID": str(columns["video"])})


def tempcompass_row(columns: Mapping[str, Any]) -> Published:
    """TempCompass; options that were split off the question are put back."""
    need(columns, ("index", "video", "question", "answer", "dim"), LOG)
    task = str(columns.get("task_type") or (
        "captioning" if "mc_question" in columns else "multi-choice" if "candidates" in columns else "yes_no"))
    lines = literal(columns["candidates"], list) if "candidates" in columns else []
    question = "\n".join([str(columns["question"]), *map(str, lines)])
    return tempcompass.published({**columns, "video_id": str(columns["video"]), "task": task, "question": question,
                                  "number": columns["index"]})


def vsibench_row(columns: Mapping[str, Any]) -> Published:
    """VSI-Bench, under the kit's names for its columns or the published ones."""
    names = {"dataset": "prefix", "scene_name": "video", "question_type": "type", "ground_truth": "answer",
             "options": "candidates", "id": "index"}
    found = {name: columns.get(name, columns.get(other)) for name, other in names.items()}
    need({**columns, **found}, ("dataset", "scene_name", "question_type", "question", "ground_truth"), LOG)
    options = found["options"]
    return vsibench.published({**found, "id": str(found["id"]), "question": columns["question"],
                               "ground_truth": str(found["ground_truth"]),
                               "options": None if options is None else literal(options, list)})


def mvbench_row(columns: Mapping[str, Any]) -> Published:
    """MVBench, whose tasks the kit writes with blanks."""
    need(columns, ("index", "task_type", "video", "question", "answer", "candidates"), LOG)
    task = str(columns["task_type"]).lower().replace(" ", "_").replace("-", "_")
    return mvbench.published({"task": task, "number": columns["index"], "video": columns["video"],
                              "question": columns["question"], "answer": str(columns["answer"]),
                              "candidates": [str(one) for one in literal(columns["candidates"], list)],
                              "start": number(columns.get("start")), "end": number(columns.get("end"))})


def mmvu_row(columns: Mapping[str, Any]) -> Published:
    """MMVU, whose choices are JSON in the cell."""
    need(columns, ("id", "question_type", "question", "answer", "video"), LOG)
    told = {name: columns[name] for name in ("subject", "textbook") if name in columns}
    choices = literal(columns["choices"], dict) if "choices" in columns else {}
    return mmvu.published({**columns, "choices": choices, "answer": str(columns["answer"]), "metadata": told})


def videommmu_row(columns: Mapping[str, Any]) -> Published:
    """Video-MMMU; the track stands in `category`."""
    need(columns, ("id", "category", "question", "answer"), LOG)
    options = literal(columns["options"], list) if "options" in columns else []
    return videommmu.published({**columns, "options": options, "answer": str(columns["answer"])},
                               str(columns["category"]))


READERS: dict[str, Callable[[Mapping[str, Any]], Published]] = {
    "videomme": videomme_row, "tempcompass": tempcompass_row, "vsibench": vsibench_row, "mvbench": mvbench_row,
    "mmvu": mmvu_row, "videommmu": videommmu_row,
}

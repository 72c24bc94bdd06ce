"""Rows of lmms-eval's sample logs (`…_samples_<task>.jsonl`, and the older JSON file with "logs").

A row's question is its document where the log keeps it, else what its metrics repeat of it and what was asked.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from strive.stages.eval.benchmarks import mmvu, mvbench, perceptiontest, tempcompass, videomme, videommmu, vsibench
from strive.stages.eval.grading.cells import need
from strive.stages.eval.grading.lmms_columns import COLUMNS_OF
from strive.stages.eval.grading.rows import ToGrade, check_bench
from strive.stages.eval.published import Published
from strive.stages.tasks.sample_rows import RowError

TASK = re.compile(r"_samples_(.+?)\.jsonl?$")
BENCHES = {"videomme": "videomme", "tempcompass": "tempcompass", "video_mmmu": "videommmu", "videommmu": "videommmu",
           "mmvu": "mmvu", "vsibench": "vsibench", "perceptiontest": "perceptiontest", "mvbench": "mvbench"}
"""How a task's name starts → the benchmark."""
LOG = "lmms-eval log"
FRAMEWORK = {"doc", "arguments", "input", "resps", "filtered_resps", "target", "token_counts"}
TEMPCOMPASS = {"multi_choice": "multi-choice", "yes_no": "yes_no", "caption_matching": "caption_matching",
               "captioning": "captioning"}


def lmms_row(place: int, record: Mapping[str, Any], path: Path, bench: str | None) -> Iterable[ToGrade]:
    """The row to grade. Raises `RowError` for an unknown task, and for a row that does not tell its question."""
    task = task_of(path)
    name = bench or bench_of(task)
    check_bench(name)
    if name not in PUBLISHED:
        raise RowError(f"{name} has no tasks in lmms-eval", f"one of {', '.join(PUBLISHED)}", "Choose another --bench.")
    columns = {**columns_of(name, record), "part": part_of(name, task), "number": record.get("doc_id", place - 1)}
    return (ToGrade(place, PUBLISHED[name](columns), raw_reply(record)),)


def task_of(path: Path) -> str:
    """The task that the file's name tells."""
    named = TASK.search(path.name)
    return (named[1] if named else path.stem).lower()


def bench_of(task: str) -> str:
    """The benchmark of a task. Raises `RowError`."""
    for start, bench in BENCHES.items():
        if task.startswith(start):
            return bench
    raise RowError(f"no benchmark is known of the task {task!r}", f"a file named …_samples_<task>.jsonl with a task "
                   f"that starts with {', '.join(BENCHES)}", "Keep the log's name, or name the benchmark with --bench.")


def part_of(bench: str, task: str) -> str:
    """The TempCompass task, Video-MMMU track or MVBench task within a task's name, "" for the other benchmarks.

    Raises `RowError` where it is needed and not told.
    """
    if bench == "tempcompass":
        found = next((ours for theirs, ours in TEMPCOMPASS.items() if theirs in task), "")
    elif bench == "videommmu":
        found = videommmu.QUESTION_ONLY if "question_only" in task else next(
            (track for track in videommmu.TRACKS if track.lower() in task), "")
    elif bench == "mvbench":
        found = next((one for one in sorted(mvbench.FOLDERS, key=len, reverse=True) if one in task), "")
    else:
        return ""
    if not found:
        raise RowError(f"the file's name does not tell which part of {bench} it is (task {task!r})",
                       f"…_samples_<task>.jsonl as lmms-eval names it, such as {EXAMPLES[bench]}", "Keep its name.")
    return found


EXAMPLES = {"tempcompass": "tempcompass_multi_choice", "videommmu": "video_mmmu_perception",
            "mvbench": "mvbench_action_sequence"}


def raw_reply(record: Mapping[str, Any]) -> str:
    """The reply before lmms-eval's filters: `resps`, which it leaves out where filtering changed nothing.

    Of several replies the first, as lmms-eval scores. Raises `RowError` for likelihoods.
    """
    value = record.get("resps") or record.get("filtered_resps")
    while isinstance(value, list):
        if not value:
            return ""
        value = value[0]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError(f"a reply is {value!r}"[:200], "a text", "Only tasks that generate text can be graded.")
    return value


def columns_of(bench: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The published columns: the document, or the metrics' copy of them completed from the prompt."""
    if isinstance(record.get("doc"), dict):
        return dict(record["doc"])
    told: dict[str, Any] = {}
    for name, value in record.items():
        if name not in FRAMEWORK and isinstance(value, dict):
            told |= value
    return COLUMNS_OF[bench](told, prompt_of(record), record.get("target"))


def prompt_of(record: Mapping[str, Any]) -> str:
    """What was asked: `input`, or the first text of `arguments`; "" where the log has neither."""
    value = record.get("input") or record.get("arguments")
    while isinstance(value, list | dict) and value:
        value = value[0] if isinstance(value, list) else next(iter(value.values()))
    return value if isinstance(value, str) else ""


def of_videomme(columns: Mapping[str, Any]) -> Published:
    """A row of Video-MME, which may lack the videoID."""
    need(columns, ("question_id", "question", "options", "answer"), LOG)
    if columns.get("videoID") is not None:
        return videomme.published(columns)
    meta = {name: columns[name] for name in videomme.FIELDS if columns.get(name) is not None}
    return Published(str(columns["question_id"]), "videomme", "", str(columns["question"]), list(columns["options"]),
                     columns["answer"], meta)


def of_tempcompass(columns: Mapping[str, Any]) -> Published:
    """A row of TempCompass; the task is that of the file."""
    wanted = ("video_id", "question", "answer", "dim")
    need(columns, (*wanted, "mc_question", "mc_answer") if columns["part"] == "captioning" else wanted, LOG)
    return tempcompass.published({**columns, "task": columns["part"]})


def of_videommmu(columns: Mapping[str, Any]) -> Published:
    """A row of Video-MMMU; the track is that of the file."""
    need(columns, ("id", "question", "answer"), LOG)
    return videommmu.published({"options": [], **columns}, str(columns["part"]))


def of_mmvu(columns: Mapping[str, Any]) -> Published:
    """A row of MMVU; the subject is the video's folder."""
    need(columns, ("id", "question", "question_type", "answer"), LOG)
    if columns.get("video") is not None or columns.get("video_path") is not None:
        return mmvu.published({"video": columns.get("video_path"), "choices": {}, **columns})
    meta = {"subject": columns["category"].replace("_", " ")} if isinstance(columns.get("category"), str) else {}
    return Published(str(columns["id"]), "mmvu", str(columns["question_type"]), str(columns["question"]),
                     columns.get("choices") or {}, str(columns["answer"]), meta)


def of_vsibench(columns: Mapping[str, Any]) -> Published:
    """A row of VSI-Bench: its metric repeats the whole document."""
    need(columns, ("id", "dataset", "scene_name", "question_type", "question", "ground_truth"), LOG)
    return vsibench.published(columns)


def of_perceptiontest(columns: Mapping[str, Any]) -> Published:
    """A row of PerceptionTest."""
    need(columns, ("video_name", "question_id", "question", "options"), LOG)
    return perceptiontest.published(columns)


def of_mvbench(columns: Mapping[str, Any]) -> Published:
    """A row of MVBench; without its document the log does not tell the video."""
    need(columns, ("question", "candidates", "answer"), LOG)
    found = {**columns, "task": columns["part"]}
    if columns.get("video") is not None:
        return mvbench.published(found)
    task = str(columns["part"])
    return Published(f"{task}/{columns['number']}", "mvbench", task, str(columns["question"]),
                     list(columns["candidates"]), str(columns["answer"]), {"task": task})


PUBLISHED: dict[str, Callable[[Mapping[str, Any]], Published]] = {
    "videomme": of_videomme, "tempcompass": of_tempcompass, "videommmu": of_videommmu, "mmvu": of_mmvu,
    "vsibench": of_vsibench, "perceptiontest": of_perceptiontest, "mvbench": of_mvbench,
}

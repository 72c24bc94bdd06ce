"""Results files of the benchmarks' own authors: Video-MME's list of videos, and what Video-R1's evaluation writes."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from strive.stages.eval.grading.cells import need
from strive.stages.eval.grading.rows import ToGrade, reply_of
from strive.stages.eval.published import Published, of_sample
from strive.stages.tasks.sample_rows import RowError, sample_of
from strive.stages.tasks.video_r1 import video_r1_row

ABOUT_VIDEO = ("video_id", "duration", "domain", "sub_category")
ASKED = ("question_id", "question", "options", "answer")
WRITTEN = {"output", "prediction", "reward", "correct", "process", "prompt"}
FAILED_BATCH = "<answer>error</answer>"


def videomme_rows(number: int, record: Mapping[str, Any], path: Path, bench: str | None) -> Iterator[ToGrade]:
    """The questions of one video. `missing` marks a video that was not there: its questions are left out, and said."""
    about = {name: record[name] for name in ABOUT_VIDEO if record.get(name) is not None}
    missing = "the file says that the video is missing" if record.get("missing") else ""
    for asked in record["questions"]:
        if not isinstance(asked, dict):
            raise RowError(f"a question is a {type(asked).__name__}", f"an object with {', '.join(ASKED)}, response")
        need(asked, ASKED, "Video-MME results file")
        if "response" not in asked and not missing:
            raise RowError(f"question {asked['question_id']} has no response", "a text, or null for an empty reply")
        meta = {**about, **({"task_type": asked["task_type"]} if asked.get("task_type") else {})}
        row = Published(str(asked["question_id"]), "videomme", "", str(asked["question"]), asked["options"],
                        asked["answer"], meta)
        yield ToGrade(number, row, reply_of(asked.get("response")), missing=missing)


def video_r1_answer(number: int, record: Mapping[str, Any], path: Path, bench: str | None) -> Iterable[ToGrade]:
    """A row of Video-R1's evaluation, whose columns are those of its dataset and the whole reply (`output`).

    Graded as a dataset row. A batch that raised has one text for every reply: it is graded as written, and said.
    """
    columns = {name: value for name, value in record.items() if name not in WRITTEN}
    reply = reply_of(record["output"])
    failed = f"{FAILED_BATCH}: a batch that raised" if reply == FAILED_BATCH else ""
    return (ToGrade(number, of_sample(sample_of(video_r1_row(columns))), reply, failed=failed),)

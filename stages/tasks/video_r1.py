"""Turns rows of the JSON files of Video-R1 and EasyVideoR1 into rows of the dataset format."""

import re
from collections.abc import Mapping
from typing import Any

KINDS = {
    "multiple choice": ("multiple_choice", None),
    "multiple_choice": ("multiple_choice", None),
    "multi-choice": ("multiple_choice", None),
    "yes/no": ("yes_no", None),
    "yes_no": ("yes_no", None),
    "boolean": ("yes_no", None),
    "numerical": ("numerical", None),
    "regression": ("numerical", "mra"),
    "ocr": ("open", None),
    "free-form": ("open", None),
    "open-ended": ("open", None),
    "temporal grounding": ("interval", None),
    "temporal_grounding": ("interval", None),
    "spatial grounding": ("box", None),
}
ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
OWN = {"problem", "problem_type", "solution", "options", "path", "answer", "videos", "images"}
MARKERS = re.compile(r"<(?:image|video)(?:\s*\d+)?>\s*")


def is_video_r1(row: Mapping[str, Any]) -> bool:
    """True for a row with Video-R1's columns."""
    return "problem" in row and "problem_type" in row and ("solution" in row or "answer" in row)


def video_r1_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row in the dataset format; an unknown problem type is kept, so that the reader refuses it by name.

    Regression is graded by MRA. The gold answer is the content of the `<answer>` tag in `solution`.
    """
    kind, metric = KINDS.get(str(row["problem_type"]).strip().lower(), (str(row["problem_type"]), None))
    meta = {key: value for key, value in row.items() if key not in OWN and value not in (None, "")}
    if metric:
        meta["metric"] = metric
    options = row.get("options") or None
    return {
        "id": first_of(row, "problem_id", "id", "question_id"),
        "video": path_of(row),
        "question": MARKERS.sub("", str(row["problem"])).strip() or None,
        "options": options if kind in ("multiple_choice", "multi_answer") else None,
        "answer": gold_of(row),
        "question_type": kind,
        "meta": meta,
    }


def first_of(row: Mapping[str, Any], *names: str) -> Any:
    """The first of these columns that is there."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def path_of(row: Mapping[str, Any]) -> Any:
    """`path`, or the only entry of EasyVideoR1's `videos` / `images`; a leading "./" is dropped."""
    path = row.get("path")
    if path is None:
        listed = row.get("videos") or row.get("images") or []
        path = listed[0] if isinstance(listed, list) and len(listed) == 1 else None
    return path.removeprefix("./") if isinstance(path, str) else path


def gold_of(row: Mapping[str, Any]) -> Any:
    """The tag's content, or the bare answer."""
    value = first_of(row, "solution", "answer")
    if not isinstance(value, str):
        return value
    tagged = ANSWER.search(value)
    return tagged.group(1) if tagged else value

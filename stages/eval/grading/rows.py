"""A row to grade: `{"id", "bench", "question", "answer", "prediction", …}`, checked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strive.configs.load import nearest
from strive.stages.eval.benchmarks import ROWS
from strive.stages.eval.published import Published

REQUIRED = ("id", "bench", "question", "answer", "prediction")


@dataclass(frozen=True)
class ToGrade:
    """A row: the question as published, and what was replied.

    number: its place in the file, from 1. cut: the row says (`finished: false`) that the reply reached its token limit.
    missing: why the question was never asked, "" where it was. failed: what the harness wrote for a request that
    failed, "" where there is a reply.
    """

    number: int
    row: Published
    prediction: str
    cut: bool = False
    missing: str = ""
    failed: str = ""


def to_grade(number: int, record: Mapping[str, Any], bench: str | None = None) -> ToGrade:
    """A checked row. Raises ValueError saying what is wrong with it."""
    named = {"bench": bench, **record} if bench else record
    missing = [name for name in REQUIRED if name not in named]
    if missing:
        hint = " (or give --bench NAME)" if "bench" in missing else ""
        raise ValueError(f"no {', '.join(missing)}{hint}")
    check_bench(named["bench"])
    if not isinstance(named["question"], str):
        raise ValueError(f"question is a {type(named['question']).__name__}, not a text")
    if not isinstance(named.get("meta") or {}, dict):
        raise ValueError(f"meta is a {type(named['meta']).__name__}, not an object")
    return ToGrade(number, Published.from_json(named), reply_of(named["prediction"]), named.get("finished") is False)


def check_bench(name: Any) -> None:
    """ValueError unless rows of that name are known."""
    if name not in ROWS:
        raise ValueError(f"bench {name!r} is none of {', '.join(ROWS)}. {nearest(str(name), ROWS)}")


def reply_of(value: Any) -> str:
    """A reply as text; none at all (null, or the NaN of an empty cell) is an empty one."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"prediction is a {type(value).__name__}, not a text")
    return str(value)

"""Rows to grade, one at a time out of a file, checked: `{"id", "bench", "question", "answer", "prediction", …}`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError, UsageError
from strive.configs.load import nearest
from strive.stages.eval.benchmarks import ROWS
from strive.stages.eval.published import Published

REQUIRED = ("id", "bench", "question", "answer", "prediction")
FORM = f"one JSON object a line with {', '.join(REQUIRED)}"
LONGEST_LINE = 64 << 20


@dataclass(frozen=True)
class ToGrade:
    """A row: the question as published, and what was replied.

    number: its place in the file, from 1. cut: the row says (`finished: false`) that the reply reached its token limit.
    """

    number: int
    row: Published
    prediction: str
    cut: bool = False


def read_rows(path: Path, bench: str | None = None) -> Iterator[ToGrade]:
    """The rows of a JSON Lines file, in order, blank lines left out. `bench`: for rows that name none.

    Raises `UsageError` with the line's number for one that is not a row; `MissingError` when there is no file.
    """
    for number, record in read_lines(path):
        try:
            yield to_grade(number, record, bench)
        except ValueError as error:
            raise UsageError(f"{path}, row {number}: {error}", FORM, "Mend or remove the row.") from error


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with their line numbers."""
    if not path.is_file():
        raise MissingError(f"{path}: no such file", f"a file with {FORM}", "Check the path.")
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise UsageError(f"{path}, row {number}: longer than {LONGEST_LINE} bytes", FORM, "Check the file.")
            if line.strip():
                yield number, parsed(path, number, line)


def parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    """One line's object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}, row {number}: not JSON ({error})"[:300], FORM, "Mend or remove the row.") from error
    if not isinstance(record, dict):
        raise UsageError(f"{path}, row {number}: {type(record).__name__}, not an object", FORM, "Mend the row.")
    return record


def to_grade(number: int, record: Mapping[str, Any], bench: str | None = None) -> ToGrade:
    """A checked row. Raises ValueError saying what is wrong with it."""
    named = {"bench": bench, **record} if bench else record
    missing = [name for name in REQUIRED if name not in named]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    if named["bench"] not in ROWS:
        hint = nearest(str(named["bench"]), ROWS)
        raise ValueError(f"bench {named['bench']!r} is none of {', '.join(ROWS)}. {hint}")
    if not isinstance(named["question"], str):
        raise ValueError(f"question is a {type(named['question']).__name__}, not a text")
    if not isinstance(named.get("meta") or {}, dict):
        raise ValueError(f"meta is a {type(named['meta']).__name__}, not an object")
    return ToGrade(number, Published.from_json(named), reply_of(named["prediction"]), named.get("finished") is False)


def reply_of(value: Any) -> str:
    """A reply as text; none at all (null) is an empty one."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"prediction is a {type(value).__name__}, not a text")
    return str(value)

"""Whose rows a file holds, by the columns of its first one, and the rows to grade in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from strive.configs.errors import UsageError
from strive.stages.eval.grading.records import FORM, read_records
from strive.stages.eval.grading.rows import REQUIRED, ToGrade, to_grade
from strive.stages.tasks.sample_rows import RowError
from strive.stages.tasks.video_r1 import is_video_r1

Form = Callable[[int, Mapping[str, Any], Path, str | None], Iterable[ToGrade]]
"""(row number, columns, file, --bench) → rows to grade. Raises ValueError or `RowError` for what is none."""
MEND = "Mend or remove the row."


def own_row(number: int, record: Mapping[str, Any], path: Path, bench: str | None) -> Iterable[ToGrade]:
    """A row of `strive grade` itself."""
    return (to_grade(number, record, bench),)


def form_of(record: Mapping[str, Any]) -> Form:
    """The form whose columns these are; rows of our own where nothing else fits."""
    if "bench" in record:
        return own_row
    from strive.stages.eval.grading.answer_files import video_r1_answer, videomme_rows  # they load every benchmark
    from strive.stages.eval.grading.kit_log import kit_row
    from strive.stages.eval.grading.lmms_log import lmms_row

    if "filtered_resps" in record or "resps" in record:
        return lmms_row
    if isinstance(record.get("questions"), list):
        return videomme_rows
    if is_video_r1(record) and "output" in record:
        return video_r1_answer
    return kit_row if "index" in record and "question" in record else own_row


def read_rows(path: Path, bench: str | None = None) -> Iterator[ToGrade]:
    """The rows of a file, in order. `bench`: for rows that name none.

    Raises `UsageError` with the row's number for one that can't be graded; `MissingError` when there is no file.
    """
    records = read_records(path)
    first = next(records, None)
    if first is None:
        return
    rows = form_of(first[1])
    for number, record in chain([first], records):
        try:
            yield from rows(number, record, path, bench)
        except RowError as error:
            raise UsageError(f"{path}, row {number}: {error.what}", error.expected, error.do) from error
        except ValueError as error:
            expected = f"one JSON object a line with {', '.join(REQUIRED)}" if rows is own_row else FORM
            raise UsageError(f"{path}, row {number}: {error}", expected, MEND) from error

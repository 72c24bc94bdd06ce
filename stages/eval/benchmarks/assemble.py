"""Published rows become a benchmark's samples: each by its module's `sample`, every id once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from strive.configs.errors import UsageError
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.published import Published
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError

Row = tuple[str, Callable[[], Published]]
"""Where a row stands, for error messages, and what makes it (which may raise `RowError`)."""


def text_column(columns: Mapping[str, Any], name: str) -> str:
    """A column that must be text or a whole number, as text. Raises `RowError`."""
    value = columns.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise RowError(f"{name} is {value!r}"[:200], "a text")
    return str(value)


def list_column(columns: Mapping[str, Any], name: str) -> list[Any]:
    """A column that must be a list, or null for none. Raises `RowError`."""
    value = columns.get(name)
    if value is not None and not isinstance(value, list):
        raise RowError(f"{name} is {value!r}"[:200], "a list")
    return value or []


def assemble(rows: Iterable[Row], to_sample: Callable[[Published], Sample], find: Callable[[Sample], Path],
             bench: str, fields: tuple[str, ...] = ()) -> BenchData:
    """The benchmark's data, rows in their order. Raises `UsageError` naming the row for one that is not as published,
    for an id that comes twice, and when there are no rows."""
    samples: list[Sample] = []
    published: dict[str, Published] = {}
    for place, make in rows:
        try:
            row = make()
            sample = replace(to_sample(row), id=row.id)
        except RowError as error:
            raise UsageError(f"{place}: {error.what}", error.expected, "Download the table again.") from error
        if row.id in published:
            raise UsageError(f"{place}: id {row.id!r} occurs twice", "different ids", "Download the table again.")
        published[row.id] = row
        samples.append(sample)
    if not samples:
        raise UsageError(f"{bench}: the tables have no rows", "the published questions", "Download the tables again.")
    return BenchData(samples, find, fields, published, bench)

"""Cells of a log: lists and objects written as text, numbers, columns that must be there."""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from strive.stages.tasks.sample_rows import RowError

LONGEST = 1 << 16
"""Characters of a list or object in a cell; options are far shorter."""


def need(columns: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    """`RowError` naming the columns that a log lacks."""
    missing = [name for name in names if columns.get(name) is None]
    if missing:
        raise RowError(f"no {', '.join(missing)}: not enough of a {what}", f"the columns {', '.join(names)}",
                       "Log with the questions' columns (documents), or grade rows of strive's own form.")


def literal(value: Any, kind: type) -> Any:
    """A list (or dict) that a cell holds as JSON or as Python writes it. Raises `RowError` for anything else."""
    found = value
    if isinstance(value, str):
        if len(value) > LONGEST:
            raise RowError(f"a cell of {len(value)} characters for a {kind.__name__}", f"at most {LONGEST}")
        found = parsed(value)
    if not isinstance(found, kind):
        raise RowError(f"{value!r} is no {kind.__name__}"[:200], f"a {kind.__name__} as JSON or as Python writes it")
    return found


def parsed(text: str) -> Any:
    """The value of a JSON or Python literal, None where it is neither; nothing is run."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def number(value: Any) -> float | None:
    """A number that a cell holds; None for none. Raises `RowError`."""
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except (TypeError, ValueError) as error:
        raise RowError(f"{value!r} is no number"[:200], "a number") from error
    return None if math.isnan(found) else found


def present(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns without those that are empty: null, or the NaN of a table's empty cell."""
    return {name: value for name, value in columns.items()
            if value is not None and not (isinstance(value, float) and math.isnan(value))}

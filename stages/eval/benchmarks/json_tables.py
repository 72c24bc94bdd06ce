"""Reads a benchmark's JSON and JSON Lines files after their size and columns were checked."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from strive.configs.errors import UsageError, VerificationError

MAX_BYTES = 1 << 30
LONGEST_LINE = 16 << 20
AGAIN = "Download it again."


def read_json(path: Path) -> Any:
    """The file's value. Raises `UsageError` for more than 1 GiB, `VerificationError` for what isn't JSON."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UsageError(f"{path}: {size} bytes", f"at most {MAX_BYTES}", "Check the file.")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{path}: not readable JSON ({error})"[:300], "the published file", AGAIN) from error


def read_json_lines(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows as dicts, in order, blank lines left out. Raises `VerificationError` for a line that is no JSON object,
    `UsageError` for missing columns."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if not line.strip():
                continue
            try:
                row = json.loads(line) if len(line) <= LONGEST_LINE else None
            except (ValueError, RecursionError) as error:
                raise VerificationError(f"{path}, row {number}: not JSON ({error})"[:300], "the published table",
                                        AGAIN) from error
            yield with_columns(row, columns, f"{path}, row {number}")


def with_columns(row: Any, columns: Sequence[str], place: str) -> dict[str, Any]:
    """A row that has these columns. Raises `UsageError` naming those that are missing."""
    if not isinstance(row, dict):
        raise UsageError(f"{place}: not an object", f"the columns {', '.join(columns)}", AGAIN)
    missing = [name for name in columns if name not in row]
    if missing:
        raise UsageError(f"{place}: no column {', '.join(missing)}", f"the columns {', '.join(columns)}",
                         "Check that this is the benchmark's table, then download it again.")
    return row

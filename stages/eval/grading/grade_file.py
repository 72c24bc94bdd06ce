"""Grades a file of predictions into a file of verdicts."""

import json
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from strive.cache.atomic import write_stream
from strive.configs.errors import UsageError
from strive.stages.eval.grading.forms import read_rows
from strive.stages.eval.grading.grader import Grader
from strive.stages.eval.grading.rows import ToGrade

BLOCK = 1 << 16


def grade_file(path: Path, grader: Grader, out: Path | None = None, bench: str | None = None,
               limit: int | None = None) -> Grader:
    """Grade every row, or the first `limit`; `out` gets a line a row, whole or not at all.

    Raises `UsageError` for a file without rows, and for an `out` that is the file itself.
    """
    if out is not None and out.exists() and path.exists() and out.samefile(path):
        raise UsageError(f"{out}: the predictions themselves", "another file for the verdicts", "Choose another --out.")
    rows = read_rows(path, bench)
    graded = blocks(grader, islice(rows, limit), path)
    if out is None:
        deque(graded, maxlen=0)
    else:
        write_stream(out, graded, path.stat().st_size if path.exists() else 0)
    return grader


def blocks(grader: Grader, rows: Iterator[ToGrade], path: Path) -> Iterator[bytes]:
    """The verdicts as bytes, a block at a time. Raises `UsageError` at the end when there were no rows."""
    held: list[str] = []
    size = 0
    for line in grader.grade(rows):
        held.append(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        size += len(held[-1])
        if size >= BLOCK:
            yield "".join(held).encode("utf-8", "surrogatepass")
            held, size = [], 0
    if not grader.n:
        raise UsageError(f"{path}: no rows", "at least one prediction", "Check the file.")
    yield "".join(held).encode("utf-8", "surrogatepass")

"""Append-only JSON Lines: a record is on disk or it is not, and a torn last line is owed again, never an error."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strive.cache import disk, fault, sync
from strive.configs.errors import VerificationError

_TAIL = 1 << 16
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


def append_line(path: Path, text: str) -> None:
    """Add one line (one JSON object, no newline inside) and sync it.

    What a killed writer left behind of its last line is cut off first, so that the new line starts on its own.
    Raises ValueError for a text with a newline, MissingError when there is no space or no permission.
    """
    if "\n" in text:
        raise ValueError("a ledger line holds no newline")
    data = (text + "\n").encode("utf-8", "surrogatepass")
    with disk.explained(path, len(data)):
        is_new = not path.exists()
        sync.make_folder(path.parent)
        fault.point()
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            _append(fd, data)
        finally:
            os.close(fd)
        if is_new:
            sync.sync_folder(path.parent)


def append_unsynced(path: Path, lines: bytes) -> None:
    """Add whole lines in one write, for what can be made again: a crash may tear or lose them. Raises OSError."""
    fault.point()
    try:
        fd = os.open(path, _APPEND, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, _APPEND, 0o666)
    try:
        sync.write_all(fd, lines)
    finally:
        os.close(fd)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records, in order; [] when there is no file. A torn last line is left out.

    Raises VerificationError for a line elsewhere that is not a JSON object.
    """
    return list(_records(path)) if path.exists() else []


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            record = _parse(line)
            if record is not None:
                yield record
            elif line.endswith(b"\n") and line.strip():
                raise VerificationError(
                    f"{path}: line {number} is not a JSON object.", "One JSON object a line.",
                    "Remove that line, or move the file away and run the command again.",
                )


def _append(fd: int, data: bytes) -> None:
    """Write under the file's lock; a write that fails half-way is taken back."""
    end = _mend_tail(fd)
    try:
        sync.write_all(fd, data)
        fault.point()
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, end)
        raise


def _mend_tail(fd: int) -> int:
    """Make the file end with a newline: a whole last record gets one, a torn one is cut; returns the size."""
    size = os.fstat(fd).st_size
    if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
        return size
    start = _line_start(fd, size)
    if _parse(os.pread(fd, size - start, start)) is not None:
        os.write(fd, b"\n")
        return size + 1
    os.ftruncate(fd, start)
    return start


def _line_start(fd: int, size: int) -> int:
    """Where the last line begins."""
    end = size
    while end > 0:
        start = max(0, end - _TAIL)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None

"""Reads the rows of a dataset file one at a time, so that its size costs no memory; limits come before parsing."""

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from strive.configs.errors import MissingError, UsageError

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_FILE_BYTES = 8 * 1024**3
MAX_LIST_BYTES = 1024**3
FORMAT = 'one JSON object a line: {"id", "video", "question", "options", "answer", "question_type", "meta"}'
Row = Mapping[str, Any] | UsageError


def read_rows(path: Path) -> Iterator[tuple[int, int, Row]]:
    """(row number from 1, offset in bytes, object or error) for each row; blank lines count but are skipped.

    The rows of a file that is one JSON list have their place in the list as number and no offset (-1).
    """
    with opened(path) as file:
        if is_list(file):
            rows = json_list(path, file)
            yield from ((number, -1, as_object(path, number, row)) for number, row in enumerate(rows, 1))
            return
        for number, offset, line in lines(path, file):
            if line.strip():
                yield number, offset, row_of_line(path, number, line)


def opened(path: Path) -> BinaryIO:
    """The file, open; `MissingError` when it is not there, `UsageError` when it is too large."""
    if not path.is_file():
        raise MissingError(f"{path}: no such dataset file", FORMAT, "Check the path given to --data.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UsageError(f"{path}: {path.stat().st_size} bytes", f"at most {MAX_FILE_BYTES}", "Split the file.")
    return path.open("rb")


def is_list(file: BinaryIO) -> bool:
    """Whether the file is one JSON list; its place is the start again afterwards."""
    file.seek(0)
    head = file.read(4096).removeprefix(codecs.BOM_UTF8)
    while head and not head.lstrip():
        head = file.read(4096)
    file.seek(0)
    return head.lstrip()[:1] == b"["


def lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(row number from 1, offset, bytes) of each line; one that is too long is cut just above the limit."""
    number, offset = 0, 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        length = len(line)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        yield number, offset, line
        while length > MAX_LINE_BYTES and not line.endswith(b"\n") and (line := file.readline(MAX_LINE_BYTES)):
            length += len(line)
        offset += length


def row_of_line(path: Path, number: int, line: bytes) -> Row:
    """The object in a line, or what is wrong with it; `UsageError` is raised for bytes that are not text at all."""
    try:
        return as_object(path, number, parse(path, number, line.decode()))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}, row {number}: not UTF-8 text (byte {error.start} of the row)", FORMAT,
                         "Convert the file to UTF-8 JSON Lines.") from error
    except UsageError as error:
        return error


def parse(path: Path, number: int, line: str) -> Any:
    """One JSON value; depth and size are checked before parsing."""
    if len(line) > MAX_LINE_BYTES:
        raise UsageError(
            f"{path}, row {number}: {len(line)} characters", f"at most {MAX_LINE_BYTES}", "Mend or remove the row."
        )
    if depth(line) > MAX_DEPTH:
        raise UsageError(
            f"{path}, row {number}: JSON nested deeper than {MAX_DEPTH}", FORMAT, "Mend or remove the row."
        )
    try:
        return json.loads(line, parse_constant=refuse_constant)
    except ValueError as error:
        raise UsageError(f"{path}, row {number}: not JSON ({error})", FORMAT, "Mend or remove the row.") from error


def refuse_constant(name: str) -> float:
    """NaN and infinities are not JSON."""
    raise ValueError(f"{name} is not JSON")


def depth(line: str) -> int:
    """An upper bound of the nesting depth, without parsing: brackets inside strings count too."""
    deepest = level = 0
    if line.count("[") + line.count("{") <= MAX_DEPTH:
        return 0
    in_string = escaped = False
    for char in line:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string, escaped = True, False
        elif char in "[{":
            level += 1
            deepest = max(deepest, level)
        elif char in "]}":
            level -= 1
    return deepest


def json_list(path: Path, file: BinaryIO) -> list[Any]:
    """The rows of a file that is one JSON list, which has to be read whole."""
    if path.stat().st_size > MAX_LIST_BYTES:
        raise UsageError(f"{path}: one JSON list of {path.stat().st_size} bytes", f"at most {MAX_LIST_BYTES}",
                         "Write one object a line: such a file is read in pieces.")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})", FORMAT,
                         "Convert it to UTF-8 JSON Lines.") from error
    if depth(text) > MAX_DEPTH:
        raise UsageError(f"{path}: JSON nested deeper than {MAX_DEPTH}", FORMAT, "Mend the file.")
    try:
        found = json.loads(text, parse_constant=refuse_constant)
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({error})", FORMAT, "Mend the file.") from error
    return list(found)


def as_object(path: Path, number: int, row: Any) -> Mapping[str, Any] | UsageError:
    """The row if it is a JSON object, else the error."""
    if isinstance(row, dict):
        return row
    return UsageError(f"{path}, row {number}: a {type(row).__name__}, not an object", FORMAT, "Mend or remove the row.")

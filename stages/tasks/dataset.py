"""Reads a dataset file into samples, refusing with a row number whatever would cost money to find out later."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError, UsageError
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of
from strive.stages.tasks.video_r1 import is_video_r1, video_r1_row
from strive.stages.tasks.videos import resolve_video

__all__ = ["read_dataset", "resolve_video"]

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_FILE_BYTES = 8 * 1024**3
FORMAT = 'one JSON object a line: {"id", "video", "question", "options", "answer", "question_type", "meta"}'


def read_dataset(path: Path) -> list[Sample]:
    """Every sample of a JSON Lines file (or of a Video-R1 / EasyVideoR1 JSON list), in the file's order.

    Raises `MissingError` when the file is not there and `UsageError`, naming the row, for an empty dataset, broken or
    deeply nested JSON, missing or wrong columns, duplicate ids, unknown question types, answers out of range.
    """
    samples: list[Sample] = []
    for _, sample in checked_rows(path):
        if isinstance(sample, UsageError):
            raise sample
        samples.append(sample)
    if not samples:
        raise UsageError(f"{path}: no rows", FORMAT, "Check that the file is the one you meant.")
    return samples


def checked_rows(path: Path) -> Iterator[tuple[int, Sample | UsageError]]:
    """(row number from 1, its sample or what is wrong with it) for every row; only an unreadable file is raised."""
    seen: dict[str, int] = {}
    for number, row in read_rows(path):
        if isinstance(row, UsageError):
            yield number, row
            continue
        try:
            sample = sample_of(video_r1_row(row) if is_video_r1(row) else row)
        except RowError as error:
            yield number, UsageError(f"{path}, row {number}: {error.what}", error.expected, error.do)
            continue
        if sample.id in seen:
            yield (
                number,
                UsageError(
                    f"{path}, row {number}: id {sample.id!r} is already row {seen[sample.id]}'s",
                    "ids that occur once",
                    "Give every row its own id.",
                ),
            )
            continue
        seen[sample.id] = number
        yield number, sample


def read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | UsageError]]:
    """(row number from 1, object or error) for each row; blank lines count but are skipped."""
    text = read_text(path)
    if text.lstrip()[:1] == "[":
        yield from ((number, as_object(path, number, row)) for number, row in enumerate(json_list(path, text), 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, as_object(path, number, parse(path, number, line))
            except UsageError as error:
                yield number, error


def read_text(path: Path) -> str:
    """The file's text, UTF-8 with or without a byte order mark."""
    if not path.is_file():
        raise MissingError(f"{path}: no such dataset file", FORMAT, "Check the path given to --data.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UsageError(f"{path}: {path.stat().st_size} bytes", f"at most {MAX_FILE_BYTES}", "Split the file.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: not UTF-8 text (byte {error.start})", FORMAT, "Convert it to UTF-8 JSON Lines."
        ) from error


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


def json_list(path: Path, text: str) -> list[Any]:
    """The rows of a file that is one JSON list."""
    if depth(text) > MAX_DEPTH:
        raise UsageError(f"{path}: JSON nested deeper than {MAX_DEPTH}", FORMAT, "Mend the file.")
    try:
        rows = json.loads(text, parse_constant=refuse_constant)
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({error})", FORMAT, "Mend the file.") from error
    return list(rows)


def as_object(path: Path, number: int, row: Any) -> Mapping[str, Any] | UsageError:
    """The row if it is a JSON object, else the error."""
    if isinstance(row, dict):
        return row
    return UsageError(f"{path}, row {number}: a {type(row).__name__}, not an object", FORMAT, "Mend or remove the row.")

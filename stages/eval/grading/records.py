"""The objects of a file, whatever holds them: JSON Lines, JSON, a table with tabs, a sheet; recognised by content.

JSON Lines and tables are read row by row; JSON and sheets only up to a size. Nothing that can run code is opened.
"""

import csv
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError, UsageError

Record = tuple[int, dict[str, Any]]
"""The row's number in its file, from 1, and its columns."""
FORM = "one JSON object a line with id, bench, question, answer, prediction, or a sample log of a harness"
LONGEST_LINE = 64 << 20
LONGEST_CELL = 16 << 20
MOST_JSON = 1 << 30
MOST_SHEET = 1 << 30
MAGIC = {b"PK\x03\x04": "sheet", b"\x1f\x8b": "gzip", b"\x80\x02": "pickle", b"\x80\x03": "pickle",
         b"\x80\x04": "pickle", b"\x80\x05": "pickle", b"\xff\xfe": "utf16", b"\xfe\xff": "utf16"}
REFUSED = {"pickle": ("a pickle, which can run code", "Save it as JSON, TSV or xlsx with the harness that wrote it."),
           "utf16": ("UTF-16 text", "Save it as UTF-8."),
           "gzip": ("packed with gzip", "Unpack it first: gunzip FILE.")}


def read_records(path: Path) -> Iterator[Record]:
    """The objects in order. Raises `MissingError` when there is no file, `UsageError` for one that can't be read."""
    if path.is_dir():
        raise UsageError(f"{path}: a folder, not a file", FORM, "Name the file, such as RUN/predictions.jsonl.")
    if not path.is_file():
        raise MissingError(f"{path}: no such file", f"a file with {FORM}", "Check the path; stdin is not read.")
    kind = kind_of(path)
    if kind in REFUSED:
        what, do = REFUSED[kind]
        raise UsageError(f"{path}: {what}", FORM, do)
    return {"sheet": read_sheet, "json": read_whole, "table": read_table, "lines": read_lines}[kind](path)


def kind_of(path: Path) -> str:
    """What holds the rows, by the file's first bytes and its first line."""
    with path.open("rb") as file:
        head = file.readline(LONGEST_LINE + 1)
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    line = head.removeprefix(b"\xef\xbb\xbf").strip()
    if line.startswith(b"[") or (line.startswith(b"{") and is_part(line)):
        return "json"
    if b"\t" in line and b"prediction" in line.replace(b'"', b"").split(b"\t"):
        return "table"
    return "lines"


def is_part(line: bytes) -> bool:
    """Whether a file that starts with this line is one JSON value, over many lines or with its rows inside."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line[-1:] in b"{[,"
    return isinstance(value, dict) and rows_inside(value) is not None


def rows_inside(value: dict[str, Any]) -> Any:
    """The list of rows in a harness's whole file: lmms-eval's "logs", Video-R1's "results"; else None."""
    return next((value[name] for name in ("logs", "results") if isinstance(value.get(name), list)), None)


def read_lines(path: Path) -> Iterator[Record]:
    """One object a line, blank lines left out."""
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
    return as_object(path, number, record)


def as_object(path: Path, number: int, record: Any) -> dict[str, Any]:
    """The record. Raises `UsageError` for one that is no object."""
    if not isinstance(record, dict):
        raise UsageError(f"{path}, row {number}: {type(record).__name__}, not an object", FORM, "Mend the row.")
    return record


def read_whole(path: Path) -> Iterator[Record]:
    """The objects of a JSON list, or of the list inside a harness's file."""
    check_size(path, path.stat().st_size, MOST_JSON)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON ({error})"[:300], FORM, "Check that the file is complete.") from error
    rows = value if isinstance(value, list) else rows_inside(value)
    for number, record in enumerate([value] if rows is None else rows, 1):
        yield number, as_object(path, number, record)


def check_size(path: Path, size: int, most: int) -> None:
    """`UsageError` for a file that would have to be held as a whole and is too large for that."""
    if size > most:
        raise UsageError(f"{path}: {size} bytes in one piece", f"at most {most}, or JSON Lines or TSV of any size",
                         "Save it as JSON Lines or TSV.")


def read_table(path: Path) -> Iterator[Record]:
    """The rows of a table with tabs and a header, quoted as pandas does; empty cells are left out."""
    csv.field_size_limit(LONGEST_CELL)
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", strict=True)
            for number, row in enumerate(reader, 1):
                if None in row:
                    raise UsageError(f"{path}, row {number}: more cells than columns", FORM, "Check the file.")
                yield number, {name: cell for name, cell in row.items() if cell}
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}, after row {number}: not a table ({error})"[:300], FORM, "Check the file.") from error


def read_sheet(path: Path) -> Iterator[Record]:
    """The rows of a workbook's first sheet, its first row the header; empty cells are left out.

    A reply that starts with "=" was stored as a formula and is read as it was written. Raises `MissingError` without
    openpyxl.
    """
    try:
        import openpyxl
        from openpyxl.utils.escape import unescape
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise MissingError(f"{path}: openpyxl is not installed", "the extra `logs` for xlsx files",
                           "pip install 'strive[logs]'") from error
    try:
        with zipfile.ZipFile(path) as packed:
            check_size(path, sum(one.file_size for one in packed.infolist()), MOST_SHEET)
        book = openpyxl.load_workbook(path, read_only=True, data_only=False)
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = [str(name) for name in next(rows, ())]
        for number, cells in enumerate(rows, 1):
            yield number, {name: unescape(cell) if isinstance(cell, str) else cell
                           for name, cell in zip(header, cells, strict=False) if cell not in (None, "")}
    except (zipfile.BadZipFile, InvalidFileException, KeyError, IndexError, SyntaxError) as error:
        raise UsageError(f"{path}: not a readable xlsx file ({error})"[:300], FORM, "Check the file.") from error

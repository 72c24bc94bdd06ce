"""Reads a dataset file into samples, refusing with a row number whatever would cost money to find out later."""

import codecs
import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from strive.configs.errors import UsageError
from strive.stages.tasks.rows import FORMAT, Row, read_rows, row_of_line
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of
from strive.stages.tasks.video_r1 import is_video_r1, video_r1_row
from strive.stages.tasks.videos import resolve_video

__all__ = ["SampleFile", "checked_rows", "open_dataset", "read_dataset", "resolve_video"]


def read_dataset(path: Path) -> list[Sample]:
    """Every sample of a JSON Lines file (or of a Video-R1 / EasyVideoR1 JSON list), in the file's order.

    Raises `MissingError` when the file is not there and `UsageError`, naming the row, for an empty dataset, broken or
    deeply nested JSON, missing or wrong columns, duplicate ids, unknown question types, answers out of range.
    """
    samples = [sample for _number, _offset, sample in accepted(path)]
    if not samples:
        raise UsageError(f"{path}: no rows", FORMAT, "Check that the file is the one you meant.")
    return samples


def open_dataset(path: Path) -> Sequence[Sample]:
    """The samples of a file, all checked now as by `read_dataset` but read when they are asked for: 8 bytes a row.

    A file that is one JSON list is held in memory.
    """
    offsets, held = array("q"), list[Sample]()
    for _number, offset, sample in accepted(path):
        offsets.append(offset)
        if offset < 0:
            held.append(sample)
    if not offsets:
        raise UsageError(f"{path}: no rows", FORMAT, "Check that the file is the one you meant.")
    return held or SampleFile(path, offsets)


def checked_rows(path: Path) -> Iterator[tuple[int, Sample | UsageError]]:
    """(row number from 1, its sample or what is wrong with it) for every row; only an unreadable file is raised."""
    yield from ((number, sample) for number, _offset, sample in checked(path))


class SampleFile(Sequence[Sample]):
    """Samples of a JSON Lines file at the offsets (bytes) of rows that were checked; `UsageError` once it changed."""

    def __init__(self, path: Path, offsets: "array[int]") -> None:
        self.path, self.offsets, self.mark = path, offsets, mark_of(path)

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, place: int) -> Sample: ...

    @overload
    def __getitem__(self, place: slice) -> "SampleFile": ...

    def __getitem__(self, place: int | slice) -> "Sample | SampleFile":
        if isinstance(place, slice):
            return SampleFile(self.path, self.offsets[place])
        offset = self.offsets[place]
        if mark_of(self.path) != self.mark:
            raise self.changed()
        with self.path.open("rb") as file:
            file.seek(offset)
            line = file.readline().removeprefix(codecs.BOM_UTF8)
        found = sample_in(self.path, place + 1, row_of_line(self.path, place + 1, line))
        if isinstance(found, UsageError):
            raise self.changed()
        return found

    def __iter__(self) -> Iterator[Sample]:
        return (self[place] for place in range(len(self)))

    def changed(self) -> UsageError:
        """The error for a file that is not the one that was checked."""
        return UsageError(f"{self.path}: the file changed while it was used", "the rows that were checked at the start",
                          "Run the same command again; what is finished is kept.")


def mark_of(path: Path) -> tuple[int, int, int]:
    """Size, time and inode: what changes when a file does."""
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def accepted(path: Path) -> Iterator[tuple[int, int, Sample]]:
    """`checked`, with the first wrong row raised."""
    for number, offset, sample in checked(path):
        if isinstance(sample, UsageError):
            raise sample
        yield number, offset, sample


def checked(path: Path) -> Iterator[tuple[int, int, Sample | UsageError]]:
    """(row number from 1, offset in bytes or -1, its sample or what is wrong with it) for every row."""
    seen: dict[str, int] = {}
    for number, offset, row in read_rows(path):
        sample = sample_in(path, number, row)
        if isinstance(sample, Sample):
            first = seen.setdefault(sample.id, number)
            if first != number:
                sample = UsageError(f"{path}, row {number}: id {sample.id!r} is already row {first}'s",
                                    "ids that occur once", "Give every row its own id.")
        yield number, offset, sample


def sample_in(path: Path, number: int, row: Row) -> Sample | UsageError:
    """The sample of a row, or what is wrong with it."""
    if isinstance(row, UsageError):
        return row
    try:
        return sample_of(video_r1_row(row) if is_video_r1(row) else row)
    except RowError as error:
        return UsageError(f"{path}, row {number}: {error.what}", error.expected, error.do)

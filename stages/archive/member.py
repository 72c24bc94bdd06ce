"""Reads one member of a zip file as a file that can be sought in, without unpacking the archive.

A stored member is a stretch of the archive. A deflated one is unpacked as far as it is read, into a temporary file that
has no name, so that nothing is unpacked twice and nothing is left behind.
"""

import io
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from strive.cache import disk
from strive.configs.errors import ItemError
from strive.stages.archive.contents import Entry

STORED, DEFLATED = 0, 8
MAX_BYTES = 64 << 30
MAX_RATIO = 100  # video hardly compresses; more is a bomb
SMALL_BYTES = 1 << 20  # below this a high ratio does no harm
BLOCK = 1 << 18
LOCAL = struct.Struct("<4s22xHH")


class Member:
    """A member as a source of bytes; `open` works like `Path.open("rb")` and may be called again and again.

    `spill`: the folder for unpacked bytes, of which there are as many as the member is long at most.
    """

    def __init__(self, archive: Path, entry: Entry, spill: Path) -> None:
        """Raises `ItemError` for an encrypted member, a packing that is not read, and one too large or too dense."""
        refuse(entry)
        self.archive, self.entry, self.spill = archive, entry, spill
        self._unpacked: Unpacked | None = None

    def open(self, mode: str = "rb") -> BinaryIO:
        """A readable, seekable binary file. Raises `ItemError` when the archive is not what its table says."""
        if self.entry.method == STORED:
            file = self.archive.open("rb", buffering=0)
            return io.BufferedReader(Stretch(file, data_start(file, self.entry), self.entry.size_bytes), BLOCK)
        self._unpacked = self._unpacked or Unpacked(blocks(self.archive, self.entry), self.entry, self.spill)
        return io.BufferedReader(Rewound(self._unpacked), BLOCK)


class Stretch(io.RawIOBase):
    """`size` bytes of an open file from `start` on, as a file of their own."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self.file, self.start, self.size, self.at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.pread(self.file.fileno(), min(len(buffer), max(0, self.size - self.at)), self.start + self.at)
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = placed(offset, whence, self.at, self.size)
        return self.at

    def close(self) -> None:
        self.file.close()
        super().close()


class Unpacked:
    """The first bytes of a deflated member, as many as were asked for yet, in a file without a name."""

    def __init__(self, source: Iterator[bytes], entry: Entry, folder: Path) -> None:
        """Raises `ItemError` when the whole member would not fit on the disk."""
        free = disk.free_bytes(folder)
        if free < entry.size_bytes:
            raise ItemError(f"no space left to unpack it: {entry.size_bytes} bytes needed, {free} bytes free")
        self.source, self.size, self.there = source, entry.size_bytes, 0
        self.file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115

    def read_at(self, at: int, size: int) -> bytes:
        """Bytes from `at` on, fewer at the end."""
        wanted = min(at + size, self.size)
        while self.there < wanted:
            self.there += os.pwrite(self.file.fileno(), next(self.source), self.there)
        return os.pread(self.file.fileno(), max(0, wanted - at), at)


class Rewound(io.RawIOBase):
    """One reader's place in an `Unpacked`."""

    def __init__(self, unpacked: Unpacked) -> None:
        self.unpacked, self.at = unpacked, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.unpacked.read_at(self.at, len(buffer))
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = placed(offset, whence, self.at, self.unpacked.size)
        return self.at


def placed(offset: int, whence: int, at: int, size: int) -> int:
    """The absolute place that a seek names."""
    place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: at, os.SEEK_END: size}[whence]
    if place < 0:
        raise ValueError(f"a place before the start: {place}")
    return place


def refuse(entry: Entry) -> None:
    """`ItemError` for what is not read."""
    if entry.encrypted:
        raise ItemError("encrypted in its zip archive")
    if entry.method not in (STORED, DEFLATED):
        raise ItemError(f"packed by method {entry.method} in its zip archive; stored and deflated members are read")
    if not entry.size_bytes:
        raise ItemError("empty file")
    if entry.size_bytes > MAX_BYTES:
        raise ItemError(f"{entry.size_bytes} bytes in its zip archive, more than {MAX_BYTES}")
    if entry.size_bytes > MAX_RATIO * max(entry.packed_bytes, SMALL_BYTES // MAX_RATIO):
        raise ItemError(f"{entry.packed_bytes} bytes in its zip archive unpack to {entry.size_bytes}: no video does")
    if entry.method == STORED and entry.packed_bytes != entry.size_bytes:
        raise ItemError("its zip archive is broken (a stored member of two sizes)")


def data_start(file: IO[bytes], entry: Entry) -> int:
    """Where the member's bytes begin, behind its local header."""
    header = os.pread(file.fileno(), LOCAL.size, entry.offset)
    if len(header) < LOCAL.size or header[:4] != b"PK\3\4":
        raise ItemError("its zip archive is broken (no member where the table says)")
    _, name_bytes, extra_bytes = LOCAL.unpack(header)
    start: int = entry.offset + LOCAL.size + name_bytes + extra_bytes
    if start + entry.packed_bytes > os.fstat(file.fileno()).st_size:
        raise ItemError("its zip archive is broken (the member ends behind its end)")
    return start


def blocks(archive: Path, entry: Entry) -> Iterator[bytes]:
    """The member's bytes from start to end. Raises `ItemError` when they are not those the table tells of: their
    number is checked while they come, their CRC at the end."""
    refuse(entry)
    crc = count = 0
    try:
        with archive.open("rb", buffering=0) as file:
            packed = Stretch(file, data_start(file, entry), entry.packed_bytes)
            for block in packed_blocks(packed) if entry.method == STORED else inflated(packed_blocks(packed)):
                crc, count = zlib.crc32(block, crc), count + len(block)
                if count > entry.size_bytes:
                    raise ItemError(f"longer than the {entry.size_bytes} bytes that its zip archive announces")
                yield block
    except zlib.error as error:
        raise ItemError(f"damaged in its zip archive ({error})") from error
    if count < entry.size_bytes or crc != entry.crc:
        raise ItemError("damaged in its zip archive (the bytes are not those that were packed)")


def packed_blocks(packed: Stretch) -> Iterator[bytes]:
    """The bytes of a stretch in pieces."""
    while block := packed.read(BLOCK):
        yield block


def inflated(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Raw deflate data unpacked, at most `BLOCK` bytes at a time whatever a few packed bytes stand for."""
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in packed:
        while piece and not machine.eof:
            yield machine.decompress(piece, BLOCK)
            piece = machine.unconsumed_tail
    yield machine.flush()

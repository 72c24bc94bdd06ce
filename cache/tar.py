"""The members of an exported tar: plain files with relative names, no times, no owners, in a given order.

Python's reader follows links, unpacks sparse files and lets a header claim any length; this one knows ordinary files
and nothing else, so that a foreign file can at worst be refused.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from strive.cache.sync import CHUNK
from strive.configs.errors import UsageError, VerificationError

BLOCK = 512
END = bytes(2 * BLOCK)
_MAGICS = (b"ustar\x0000", b"ustar  \0")
_MODE = 0o444


def header(name: str, size_bytes: int) -> bytes:
    """The block before a file's bytes. UsageError for a name or a size that a plain tar cannot hold (8 GiB)."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, _MODE
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    except ValueError as error:
        raise UsageError(f"{name} ({size_bytes} bytes) cannot be exported: {error}", "names up to 255 bytes, files up "
                         "to 8 GiB", "Copy the cache folder instead.") from error


def padding(size_bytes: int) -> bytes:
    """What fills the last block of a file."""
    return bytes(-size_bytes % BLOCK)


@dataclass
class Member:
    """One file of the tar, read only while it is the current one."""

    name: str
    size_bytes: int
    _file: BinaryIO

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces; VerificationError when the tar ends before they do."""
        left = self.size_bytes
        while left:
            chunk = self._file.read(min(CHUNK, left))
            if not chunk:
                raise cut_short()
            left -= len(chunk)
            yield chunk

    def read(self, most_bytes: int) -> bytes:
        """All bytes; VerificationError when there are more than `most_bytes`."""
        if self.size_bytes > most_bytes:
            raise refused(f"{self.name} has {self.size_bytes} bytes", f"{most_bytes} at most")
        return b"".join(self.chunks())

    def lines(self) -> Iterator[bytes]:
        """The bytes line by line; VerificationError for a line of more than a piece's length."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > CHUNK:
                raise refused(f"{self.name} has a line of more than {CHUNK} bytes", "shorter lines")
            yield from whole
        yield rest


def members(file: BinaryIO) -> Iterator[Member]:
    """The files of a tar in order. VerificationError for anything else in it and for one that is cut short."""
    end = file.seek(0, 2)
    place = 0
    while True:
        file.seek(place)
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise cut_short()
        if not any(block):
            return
        member = _parse(block, file)
        place += BLOCK + member.size_bytes + len(padding(member.size_bytes))
        if place > end:
            raise cut_short()
        yield member


def refused(what: str, expected: str) -> VerificationError:
    """The error for a tar that is not an export."""
    return VerificationError(f"the tar is refused: {what}.", expected, "Export again with `strive cache export`.")


def cut_short() -> VerificationError:
    """The error for a tar that ends too early."""
    return VerificationError("the tar ends too early.", "All of what `strive cache export` wrote.",
                             "Copy the file again, then run the same command: what was taken in is kept.")


def _parse(block: bytes, file: BinaryIO) -> Member:
    """The member that a header block announces."""
    kind, magic = block[156:157], block[257:265]
    if magic not in _MAGICS or _number(block[148:156]) != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise refused("it is compressed, damaged or not a tar", "a tar as `strive cache export` writes it")
    name, prefix = _text(block[:100]), _text(block[345:500])
    if kind not in (b"0", b"\0"):
        raise refused(f"{name!r} is not a plain file (type {kind!r})", "plain files only: no links, devices or folders")
    return Member(f"{prefix}/{name}" if prefix else name, _number(block[124:136]), file)


def _number(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise refused("a header has no number where one belongs", "a tar as `strive cache export` writes it")
    return int(digits, 8)


def _text(field: bytes) -> str:
    try:
        return field.split(b"\0", 1)[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused("a name is not UTF-8", "a tar as `strive cache export` writes it") from error

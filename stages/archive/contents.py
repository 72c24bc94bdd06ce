"""A zip file's table of contents: what is in it and where, under limits that come before its size costs memory."""

import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from strive.configs.errors import ItemError

MAX_MEMBERS = 200_000
MAX_TABLE_BYTES = 64 << 20
END = b"PK\5\6"
END_BYTES, LONGEST_COMMENT = 22, 0xFFFF
ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: where its local header lies (bytes from the start of the archive), how it is packed, its sizes."""

    name: str
    offset: int
    method: int
    packed_bytes: int
    size_bytes: int
    crc: int
    encrypted: bool = False


def entry_of(archive: Path, member: str) -> Entry:
    """The member of that name. Raises `ItemError`, each with its own reason: the archive is gone, is no zip, is broken,
    holds too much, does not have the member, or has it twice."""
    table = contents(archive)
    entry = table.get(member, ())
    if entry is None:
        raise ItemError(f"{archive.name} holds {member!r} twice")
    if not isinstance(entry, Entry):
        raise ItemError(f"no {member!r} in {archive.name}" + nearest(table, member))
    return entry


def nearest(table: Mapping[str, object], member: str) -> str:
    """Where a file of the same base name lies, for messages."""
    base = PurePosixPath(member).name
    found = next((name for name in table if PurePosixPath(name).name == base), None)
    return f"; there is {found!r}" if found else ""


def contents(archive: Path) -> Mapping[str, Entry | None]:
    """The members by name, None for a name that occurs twice; folders are left out, names that leave the archive too.

    Raises `ItemError` as `entry_of` does.
    """
    try:
        stat = os.stat(archive)
    except FileNotFoundError as error:
        raise ItemError("no such file") from error
    except OSError as error:
        raise ItemError(f"not readable ({error.strerror})") from error
    return read_contents(archive, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@lru_cache(maxsize=32)
def read_contents(archive: Path, *mark: int) -> Mapping[str, Entry | None]:
    """`contents` of an archive with that size, times and inode: read again when it changed."""
    try:
        with archive.open("rb") as file:
            check_size(file, archive.name)
            with zipfile.ZipFile(file) as opened:
                infos = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ItemError(f"{archive.name} is a broken zip archive ({error})") from error
    except OSError as error:
        raise ItemError(f"not readable ({error.strerror})") from error
    table: dict[str, Entry | None] = {}
    for info in infos:
        if not info.is_dir() and is_inside(info.filename):
            twice = info.filename in table
            table[info.filename] = None if twice else Entry(
                info.filename, info.header_offset, info.compress_type, info.compress_size, info.file_size, info.CRC,
                bool(info.flag_bits & ENCRYPTED),
            )
    return table


def check_size(file: BinaryIO, name: str) -> None:
    """Refuse an archive whose table would be huge, by what its end record announces, before anything reads it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END_BYTES - LONGEST_COMMENT))
    tail = file.read(END_BYTES + LONGEST_COMMENT)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES:
        file.seek(0)
        cut = file.read(4) == b"PK\3\4"
        raise ItemError(f"{name} is a broken zip archive (cut short?)" if cut else f"{name} is not a zip archive")
    members, table_bytes = struct.unpack("<HI", tail[at + 10 : at + 16])
    if members == 0xFFFF or table_bytes == 0xFFFFFFFF:
        members, table_bytes = wide_sizes(file, size - len(tail) + at)
    if members > MAX_MEMBERS or table_bytes > MAX_TABLE_BYTES:
        raise ItemError(f"{name} holds {members} members, more than the {MAX_MEMBERS} that are read")
    file.seek(0)


def wide_sizes(file: BinaryIO, end: int) -> tuple[int, int]:
    """Members and bytes of the table by the ZIP64 end record, which a locator before the end record at `end` names."""
    file.seek(max(0, end - 20))
    locator = file.read(20)
    if locator[:4] != b"PK\6\7":
        raise zipfile.BadZipFile("no ZIP64 locator")
    file.seek(struct.unpack("<Q", locator[8:16])[0])
    record = file.read(56)
    if record[:4] != b"PK\6\6" or len(record) < 56:
        raise zipfile.BadZipFile("no ZIP64 end record")
    members, table_bytes = struct.unpack("<QQ", record[32:48])
    return members, table_bytes


def is_inside(name: str) -> bool:
    """Whether a member's name is a plain relative path."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\\" not in name and "\0" not in name

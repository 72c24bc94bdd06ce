"""Videos inside a benchmark's zip files: listed, checked and unpacked one at a time, never outside the work folder."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from strive.cache import disk, sync
from strive.cache.lock import hold
from strive.cache.sweep import temporary_in
from strive.configs.errors import ItemError, MissingError, VerificationError
from strive.stages.archive.contents import check_size

MAX_MEMBER_BYTES = 64 * 1024**3
MAX_RATIO = 100  # video does not compress; more is a bomb
BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file inside a zip."""

    archive: Path
    name: str
    size_bytes: int
    crc: int


def members(archives: Sequence[Path], folder: str) -> dict[str, Member]:
    """The files under `folder/` of all archives by their name without folder; see `all_members`."""
    found = all_members(archives)
    return {path.name: one for name, one in found.items() if str((path := PurePosixPath(name)).parent) == folder}


def all_members(archives: Sequence[Path]) -> dict[str, Member]:
    """The files of all archives by their path there, the first of each; hidden files and junk are skipped.

    Raises `VerificationError` for a broken zip, too many members, or a name that leaves the archive.
    """
    found: dict[str, Member] = {}
    for archive in sorted(archives):
        for info in listing(archive):
            path = PurePosixPath(info.filename)
            if info.is_dir() or "__MACOSX" in path.parts or path.name.startswith("._"):
                continue
            if path.is_absolute() or ".." in path.parts or "\\" in info.filename or "\0" in info.filename:
                raise VerificationError(
                    f"{archive}: member {info.filename!r} leaves the archive",
                    "plain relative names",
                    "Download the file again from its publisher.",
                )
            found.setdefault(str(path), Member(archive, info.filename, info.file_size, info.CRC))
    return found


def listing(archive: Path) -> list[zipfile.ZipInfo]:
    """The archive's table of contents."""
    try:
        with archive.open("rb") as file:
            check_size(file, archive.name)
            with zipfile.ZipFile(file) as opened:
                infos = opened.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, ItemError) as error:
        raise VerificationError(
            f"{archive}: not a readable zip ({error})", "a whole zip file", "Download it again."
        ) from error
    return infos


def unpack(member: Member, work: Path) -> Path:
    """The member as a file in `work`, named by a digest (never by the member's name); already unpacked ones are kept.

    Raises `ItemError` when the member is damaged or larger or denser than a video can be, `MissingError` without space.
    """
    name = hashlib.sha256(
        f"{member.archive.name}\n{member.name}\n{member.size_bytes}\n{member.crc}".encode()
    ).hexdigest()
    target = work / name[:2] / f"{name}{safe_suffix(member.name)}"
    if target.is_file() and target.stat().st_size == member.size_bytes:
        return target
    if member.size_bytes > MAX_MEMBER_BYTES:
        raise ItemError(f"{member.name}: {member.size_bytes} bytes in the zip, more than {MAX_MEMBER_BYTES}")
    disk.require(work, member.size_bytes)
    with hold(work / ".lock"):
        if not (target.is_file() and target.stat().st_size == member.size_bytes):
            copy_out(member, target)
    return target


def safe_suffix(name: str) -> str:
    """The extension if it is a plain one."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 6 else ""


def copy_out(member: Member, target: Path) -> None:
    """Stream the member to its place under a temporary name first: it is there whole or not at all."""
    sync.make_folder(target.parent)
    temporary = temporary_in(target.parent)
    with disk.explained(target, member.size_bytes):
        try:
            sync.write_file(temporary, blocks(member), 0o666)
            os.replace(temporary, target)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise ItemError(f"{member.name}: damaged in {member.archive.name} ({error})") from error
        except KeyError as error:
            raise MissingError(
                f"{member.archive}: {member.name} is gone", "the zip that was listed", "Run again."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        sync.sync_folder(target.parent)


def blocks(member: Member) -> Iterator[bytes]:
    """The member's bytes, counted while they are read, since the table of contents may lie."""
    with zipfile.ZipFile(member.archive) as opened:
        info = opened.getinfo(member.name)
        if info.file_size > MAX_RATIO * max(info.compress_size, 1024):
            raise ItemError(f"{member.name}: {info.compress_size} bytes unpack to {info.file_size}")
        written = 0
        with opened.open(info) as source:
            while block := source.read(BLOCK):
                written += len(block)
                if written > member.size_bytes:
                    raise ItemError(f"{member.name}: longer than its {member.size_bytes} announced bytes")
                yield block

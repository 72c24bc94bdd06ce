"""Bytes and folder entries that survive a power cut: each write is synced, each step is a fault point."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from strive.cache import fault
from strive.configs.errors import UsageError

CHUNK = 1 << 22


def write_file(path: Path, chunks: Iterable[bytes], mode: int, durable: bool = True) -> tuple[int, str]:
    """Create `path` (it must not exist), write and, when `durable`, sync it; returns (bytes, digest)."""
    fault.point()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    size, digest = 0, hashlib.sha256()
    try:
        for chunk in chunks:
            digest.update(chunk)
            size += write_all(fd, chunk)
        if durable:
            fault.point()
            os.fsync(fd)
    finally:
        os.close(fd)
    return size, f"sha256:{digest.hexdigest()}"


def write_all(fd: int, data: bytes) -> int:
    """`os.write` may take fewer bytes than it is given; go on until all are written."""
    rest = memoryview(data)
    fault.point(fd, rest)
    while rest:
        rest = rest[os.write(fd, rest):]
    return len(data)


def chunks_of(source: bytes | Path) -> Iterator[bytes]:
    """The bytes themselves, or a file's bytes in pieces of 4 MiB."""
    if not isinstance(source, Path):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def make_folder(path: Path) -> None:
    """`mkdir -p` whose new entries survive a power cut. Raises UsageError where a file stands in the way."""
    if path.is_dir():
        return
    if path != path.parent:
        make_folder(path.parent)
    fault.point()
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{path}: a file, not a folder", "a folder, or a path where one can be made",
                         "Choose another path.") from error
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable."""
    fault.point()
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

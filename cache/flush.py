"""Makes many small files durable with one call for their file system, where that call can be relied on."""

import ctypes
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from strive.cache import disk, fault
from strive.cache.sync import sync_folder

WHOLE = frozenset({"ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay"})
"""File systems whose `syncfs` writes everything out and reports what could not be written."""
_REPORTS_ERRORS_SINCE = (5, 8)  # the kernel's series; earlier ones return success whatever happened

Flush = Callable[[list[Path], list[Path]], None]
"""Makes durable what was written since the `flushing` block began: whole folder trees, and the entries of folders."""


@contextmanager
def flushing(folder: Path) -> Iterator[Flush]:
    """Yields the function to call once the files are written; enter the block before the first of them.

    One `syncfs` where it is reliable; elsewhere every file and folder of those given is synced by itself. An error
    between the start of the block and the call is raised as OSError.
    """
    call = _syncfs() if disk.file_system(folder) in WHOLE else None
    if call is None:
        yield _sync_each
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield functools.partial(_sync_whole, call, fd)
    finally:
        os.close(fd)


def _sync_whole(call: Callable[[int], int], fd: int, _trees: list[Path], _folders: list[Path]) -> None:
    fault.point()
    if call(fd):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _sync_each(trees: list[Path], folders: list[Path]) -> None:
    for tree in trees:
        for parent, _names, files in os.walk(tree, topdown=False):
            for name in files:
                _sync_file(Path(parent) / name)
            sync_folder(Path(parent))
    for folder in folders:
        sync_folder(folder)


def _sync_file(path: Path) -> None:
    fault.point()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    """The C library's function; None where there is none or its answer means nothing."""
    series = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
    if os.uname().sysname != "Linux" or series < _REPORTS_ERRORS_SINCE:
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None
    call.argtypes, call.restype = [ctypes.c_int], ctypes.c_int
    return call

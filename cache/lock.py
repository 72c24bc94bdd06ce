"""One holder at a time: a kernel lock plus a record of who holds it, taken over from the dead, never from the living.

Three facts shape this file. The kernel frees a `flock` when its holder is killed, but not while a forked child still
has the descriptor: so children drop it, and a lock whose recorded owner is dead is replaced. Another host may not see
this host's `flock`: so a record from elsewhere is waited for as long as its holder keeps touching it. Opening,
locking, recording and deleting happen under a short guard lock of the folder, so no two processes judge at once.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from strive.cache import disk, heartbeat, sync
from strive.cache.owner import Owner, me
from strive.configs.errors import LockedError, MissingError

FOREIGN_SILENCE_S = 180.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
_open_fds: set[int] = set()


@contextmanager
def hold(
    path: Path, timeout_s: float = 3600, on_wait: Callable[[str], None] | None = None,
    foreign_silence_s: float = FOREIGN_SILENCE_S, give_up: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the lock file `path` inside the `with` block.

    Waits up to `timeout_s` for a living holder (0: one try) or until `give_up()`, which is asked twice a second and
    more, telling `on_wait` once who that is, and also when the lock is taken over from a dead one. Raises LockedError
    naming the holder, MissingError when the folder cannot be written.
    """
    with disk.explained(path):
        sync.make_folder(path.parent)
        fd = _acquire(path, timeout_s, on_wait or (lambda _text: None), foreign_silence_s, give_up)
    pid = os.getpid()
    heartbeat.add(path)
    try:
        yield
    finally:
        if os.getpid() == pid:  # a forked child that leaves the block holds nothing
            heartbeat.discard(path)
            _release(path, fd)


def holder(path: Path) -> Owner | None:
    """Who the lock file names, or None when nobody holds it; a dead owner may be named after a kill."""
    try:
        return Owner.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass
class _Watch:
    """When a record from another host last changed, by this process's clock (the hosts' clocks may differ)."""

    mark: tuple[int, int] | None = None
    since: float = 0.0

    def silent_s(self, path: Path) -> float:
        stat = path.stat()
        if (stat.st_mtime_ns, stat.st_ino) != self.mark:
            self.mark, self.since = (stat.st_mtime_ns, stat.st_ino), time.monotonic()
        return time.monotonic() - self.since


def dead_in(folder: Path) -> Iterator[Path]:
    """The lock files in `folder` whose holders were killed and that nobody has taken over."""
    for path in folder.glob("*.lock"):
        owner = holder(path)
        if owner is not None and owner.is_dead():
            yield path


def clear(path: Path) -> None:
    """Remove a lock file that nobody holds; one that is held, or lies where nothing can be written, stays."""
    with suppress(LockedError, MissingError), hold(path, timeout_s=0):
        pass


def _acquire(
    path: Path, timeout_s: float, tell: Callable[[str], None], foreign_silence_s: float, give_up: Callable[[], bool]
) -> int:
    began, pause, watch, told = time.monotonic(), _FIRST_PAUSE_S, _Watch(), False
    deadline = began + timeout_s
    while True:
        got = _try(path, watch, tell, foreign_silence_s)
        if isinstance(got, int):
            return got
        if not told:
            tell(f"waiting for {_describe(got)}")
            told = True
        if time.monotonic() >= deadline or give_up():
            raise LockedError(
                f"{path}: held by {_describe(got)}.", f"It did not let go within {time.monotonic() - began:.0f} s.",
                f"Wait for that run to end, or stop it; if its machine is gone for good, delete {path}.",
            )
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)


def _try(path: Path, watch: _Watch, tell: Callable[[str], None], foreign_silence_s: float) -> int | Owner | None:
    """The descriptor when the lock was taken, else who holds it (None: a holder that left no record)."""
    with _guard(path.parent):
        fresh = _create(path)
        if fresh is not None:
            return fresh
        before = holder(path)
        is_left = before is not None and before.is_dead()
        if before is not None and not before.is_here():
            is_left = watch.silent_s(path) >= foreign_silence_s
            if not is_left:
                return before
        fd = _lock(path)
        if fd is None and is_left:
            path.unlink(missing_ok=True)  # a child of the dead owner still has the old file open and locked
            fd = _lock(path)
        if fd is None:
            return before
        if before is not None and is_left:
            tell(f"took over from {_describe(before)}, which is dead")
        _record(fd)
        return fd


def _create(path: Path) -> int | None:
    """The locked and recorded descriptor of a lock file that was not there: nobody else can have it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return None
    _open_fds.add(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        _record(fd)
    except OSError:
        os.unlink(path)
        _open_fds.discard(fd)
        os.close(fd)
        raise
    return fd


def _lock(path: Path) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    _open_fds.add(fd)
    return fd


def _record(fd: int) -> None:
    """Who holds it. Written in place: the record belongs to this very inode, whose lock is held."""
    record = _record_of(os.getpid())
    os.pwrite(fd, record, 0)
    os.ftruncate(fd, len(record))


@cache
def _record_of(_pid: int) -> bytes:
    """This process's record, made once: a run takes a lock for each of its items."""
    return json.dumps(me().as_dict()).encode()


def _release(path: Path, fd: int) -> None:
    """Remove the file if it is still ours (it may have been replaced after a takeover) and let go."""
    try:
        with suppress(FileNotFoundError), _guard(path.parent):
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                os.unlink(path)
    finally:
        _open_fds.discard(fd)
        os.close(fd)


@contextmanager
def _guard(folder: Path) -> Iterator[None]:
    fd = os.open(f"{folder}/.guard", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _open_fds.add(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        _open_fds.discard(fd)
        os.close(fd)


def _describe(owner: Owner | None) -> str:
    if owner is None:
        return "another process"
    return f"process {owner.pid} on {owner.host} ({owner.command})"


def _drop_in_child() -> None:
    for fd in _open_fds:
        os.close(fd)
    _open_fds.clear()


os.register_at_fork(after_in_child=_drop_in_child)

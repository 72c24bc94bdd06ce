"""One thread that touches all lock files this process holds: what other hosts see of a living holder."""

import os
import threading
from contextlib import suppress
from pathlib import Path

BEAT_S = 15.0
_held: set[Path] = set()
_beating = threading.Event()
_starting = threading.Lock()


def add(path: Path) -> None:
    """Touch `path` every `BEAT_S` seconds from now on; the first call of a process starts the thread."""
    _held.add(path)
    if not _beating.is_set():
        with _starting:
            if not _beating.is_set():
                threading.Thread(target=_beat, name="lock heartbeat", daemon=True).start()
                _beating.set()


def discard(path: Path) -> None:
    """Leave `path` alone from now on."""
    _held.discard(path)


def _beat() -> None:
    pause = threading.Event()
    while True:
        pause.wait(BEAT_S)
        for path in _held.copy():
            with suppress(OSError):  # a lock that was let go, or a disk that is away for a moment
                os.utime(path)


def _forget_in_child() -> None:
    """A forked child holds nothing, and threads do not survive a fork."""
    global _starting
    _held.clear()
    _beating.clear()
    _starting = threading.Lock()


os.register_at_fork(after_in_child=_forget_in_child)

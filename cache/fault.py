"""The test hook that breaks a write on purpose: `STRIVE_FAULT=write:n:ENOSPC|EIO|kill|torn`.

Every step of a write (create, write, fsync, rename, fsync of the folder) is one write point, counted per process from
1. At point n: a name of an errno raises it, `kill` ends the process by SIGKILL before the step, `torn` writes half of
the bytes first (where the step writes bytes) and then kills.
"""

import errno
import os
import signal

_points = 0


def point(fd: int | None = None, data: bytes | memoryview = b"") -> None:
    """Mark a write point; `fd` and `data` are given where the step is about to write bytes."""
    fault = os.environ.get("STRIVE_FAULT")
    if not fault:
        return
    global _points
    _points += 1
    _, number, kind = fault.split(":")
    if _points != int(number):
        return
    if kind == "torn" and fd is not None:
        os.write(fd, data[: len(data) // 2])
    if kind in ("kill", "torn"):
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(getattr(errno, kind), os.strerror(getattr(errno, kind)))

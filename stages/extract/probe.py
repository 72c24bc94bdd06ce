"""What can be said about a path before anything opens it: a FIFO would block, a folder is no video."""

import os
import stat
from pathlib import Path

KINDS = (
    (stat.S_ISDIR, "a folder, not a video file"), (stat.S_ISFIFO, "a FIFO, not a video file"),
    (stat.S_ISSOCK, "a socket, not a video file"), (stat.S_ISCHR, "a device, not a video file"),
    (stat.S_ISBLK, "a device, not a video file"),
)


def refuse(path: Path) -> str | None:
    """Why this path cannot be read as a video, or None; nothing is opened but regular files."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return "broken symbolic link" if path.is_symlink() else "no such file"
    except PermissionError:
        return "not readable (permission denied)"
    except OSError as error:
        return f"not readable ({error.strerror})"
    for is_kind, words in KINDS:
        if is_kind(status.st_mode):
            return words
    if not status.st_size:
        return "empty file"
    return None if os.access(path, os.R_OK) else "not readable (permission denied)"

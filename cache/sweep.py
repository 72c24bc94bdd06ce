"""Temporary names that carry their owner, so that whoever writes next removes what the dead left.

A name is `.tmp-<host and process space>-<pid>-<start>-<random>`. Only what a certainly dead process of this machine
left is removed at once; what another host left goes when it is a week old.
"""

import os
import shutil
import time
from pathlib import Path

from strive.cache import owner

TEMPORARY = ".tmp-"
FOREIGN_AGE_S = 7 * 24 * 3600
_swept: set[str] = set()


def temporary_in(folder: Path) -> Path:
    """A fresh temporary name; the first one a process takes in a folder sweeps that folder."""
    if str(folder) not in _swept:
        _swept.add(str(folder))
        sweep(folder)
    return folder / f"{TEMPORARY}{owner.tag()}-{os.urandom(4).hex()}"


def sweep(folder: Path) -> int:
    """Remove the temporary files and folders directly in `folder` whose owner is dead; returns how many."""
    try:
        left = [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(TEMPORARY)]
    except OSError:
        return 0
    return sum(remove(path) for path in left if _is_abandoned(path))


def remove(path: Path) -> bool:
    """Delete a file or a folder; False when the disk does not allow it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return False
    return not path.exists()


def is_living(path: Path) -> bool:
    """Whether the process of this machine that took a temporary name still runs; False for other machines' names."""
    tag = path.name.removeprefix(TEMPORARY)
    return owner.is_here_tag(tag) and not owner.is_dead_tag(tag)


def _is_abandoned(path: Path) -> bool:
    tag = path.name.removeprefix(TEMPORARY)
    if owner.is_here_tag(tag):
        return owner.is_dead_tag(tag)
    try:
        return time.time() - path.lstat().st_mtime > FOREIGN_AGE_S
    except OSError:
        return False

"""What the disk says: free bytes, and a refusal that names path, needed and free bytes."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strive.cache.sweep import temporary_in
from strive.configs.errors import MissingError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
FAILING = {
    errno.EIO: ("the disk reports an input/output error", "Look after the disk (`dmesg` says more)"),
    errno.EFBIG: ("larger than a file may be here", "Raise the limit (`ulimit -f`)"),
}
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "beegfs", "ceph", "fuse.sshfs", "afs"})


def free_bytes(path: Path) -> int:
    """Bytes this user may still write on the file system that holds `path` (which need not exist yet)."""
    figures = os.statvfs(_nearest(path))
    return figures.f_bavail * figures.f_frsize


def folder_bytes(place: Path | str) -> int:
    """Size of all files in a folder; 0 for one that is gone. By `scandir`: a listing touches thousands of folders."""
    total = 0
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += folder_bytes(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return total
    return total


def size_text(size_bytes: float) -> str:
    """A size in binary units, e.g. `4.0 MiB`."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def refusal(error: OSError, path: Path, needed_bytes: int = 0) -> MissingError | None:
    """The error to raise when a write failed for want of space or permission or of a sound disk, else None."""
    if error.errno in FULL:
        return no_space(path, needed_bytes)
    if error.errno in REFUSED:
        cause = "read-only file system" if error.errno == errno.EROFS else f"no permission for user {os.getuid()}"
        return MissingError(
            f"{path}: cannot write ({cause}).", "A folder this user may write to.",
            "Choose another folder, e.g. with --cache-dir DIR or STRIVE_CACHE_DIR.",
        )
    if error.errno in FAILING:
        cause, do = FAILING[error.errno]
        return MissingError(f"{path}: cannot write ({cause}).", "A disk that takes the bytes.",
                            f"{do} or choose another folder with --cache-dir DIR, then run the same command again.")
    return None


@contextmanager
def explained(path: Path, needed_bytes: int = 0) -> Iterator[None]:
    """Turn what a disk refuses ("no space", "no permission", …) into the error that says what to do."""
    try:
        yield
    except OSError as error:
        found = refusal(error, path, needed_bytes)
        if found is None:
            raise
        raise found from error


def no_space(path: Path, needed_bytes: int) -> MissingError:
    """The error for a full disk, with both figures."""
    free = free_bytes(path)
    return MissingError(
        f"{path}: no space left: {needed_bytes} bytes needed ({size_text(needed_bytes)}), "
        f"{free} bytes free ({size_text(free)}).",
        "Room for the result.",
        "Free some space (`strive cache gc` removes what nothing refers to) or choose another folder with --cache-dir "
        "DIR, then run the same command again to continue.",
    )


def require_room(path: Path, needed_bytes: int) -> None:
    """Raise MissingError when `needed_bytes` do not fit beside `path`."""
    if free_bytes(path) < needed_bytes:
        raise no_space(path, needed_bytes)


def require(path: Path, needed_bytes: int) -> None:
    """Raise MissingError when `needed_bytes` do not fit beside `path` or nothing can be written there."""
    require_room(path, needed_bytes)
    with explained(path, needed_bytes):
        path.mkdir(parents=True, exist_ok=True)
        probe = temporary_in(path)
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        probe.unlink()


def network_type(path: Path) -> str | None:
    """The type of the network file system that holds `path` ("nfs4", …), or None when it is local or unknown."""
    kind = file_system(path)
    return kind if kind in NETWORK else None


def file_system(path: Path) -> str:
    """The type of the file system that holds `path` ("ext4", …), or "" when it is unknown."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    real = _nearest(path).resolve()
    found = [(len(line.split()[1]), line.split()[2]) for line in mounts if real.is_relative_to(line.split()[1])]
    return max(found)[1] if found else ""


def _nearest(path: Path) -> Path:
    """The first existing folder at or above `path`."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path

"""The digest of a zip member's bytes, remembered, so that an archive that nobody touched is read once."""

import hashlib
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from strive.cache.store import Store
from strive.configs.errors import ItemError, MissingError
from strive.stages.archive.contents import Entry, entry_of
from strive.stages.archive.member import blocks

RACY_S = 2.0  # a change within the clock's grain leaves the same times


def member_digest(store: Store, archive: Path, member: str) -> str:
    """`sha256:` and 64 hex digits of the unpacked bytes, the same as of a file that holds them.

    Remembered by the archive's path, size, times and inode and by the member's place, sizes and CRC; the digest last
    seen counts when the archive is gone. Raises `ItemError` with the reason when the member cannot be read, or when the
    archive changes meanwhile.
    """
    name = f"members/{os.path.abspath(archive)}::{member}"
    known = store.recall(name) or {}
    if known and not os.path.lexists(archive):
        return str(known["digest"])
    entry = entry_of(archive, member)
    mark = mark_of(archive)
    about = {"mark": mark, "entry": asdict(entry)}
    if known.get("settled") and {name: known.get(name) for name in about} == about:
        return str(known["digest"])
    found = read_digest(archive, entry)
    if mark_of(archive) != mark:
        raise ItemError("its zip archive changed while it was read; run the same command again")
    remember(store, name, {**about, "digest": found, "settled": time.time() - max(mark[1:3]) / 1e9 > RACY_S}, known)
    return found


def read_digest(archive: Path, entry: Entry) -> str:
    """The digest of a member's bytes, read now. Raises `ItemError` as `blocks` does."""
    digest = hashlib.sha256()
    for block in blocks(archive, entry):
        digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def mark_of(archive: Path) -> list[int]:
    """Size, modified ns, changed ns and inode: what changes when the archive does."""
    try:
        stat = os.stat(archive)
    except OSError as error:
        raise ItemError(f"not readable ({error.strerror})") from error
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def remember(store: Store, name: str, value: dict[str, Any], known: dict[str, Any]) -> None:
    """A cache that cannot be written still answers; the digest is computed again next time."""
    if value == known:
        return
    try:
        store.remember(name, value)
    except MissingError:
        return

"""A download that is not finished: bytes that grow at their end, and a note of what they are the beginning of.

The note holds how many bytes were synced. After a kill the file is cut to that length and goes on from there, so that
what a power cut left unwritten is never taken for data. It lies beside the artefacts but is none: nobody reads it.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from strive.cache import atomic, disk, sync
from strive.cache.key import check_key
from strive.cache.store import Store

FOLDER = ".partial"
SYNC_BYTES, SYNC_S = 32 << 20, 1.0
FORGOTTEN_S, WHOLE_S = 14 * 24 * 3600, 3600


@dataclass(frozen=True)
class Note:
    """What a server said of the file: its length in bytes (None: it did not say) and what tells a changed file."""

    etag: str = ""
    last_modified: str = ""
    size_bytes: int | None = None
    synced: int = 0

    @property
    def validator(self) -> str:
        """What a server can compare byte for byte: a strong etag, else the time; "" when a change would go unnoticed,
        and bytes of two answers are not put together."""
        return self.etag if self.etag.startswith('"') else self.last_modified

    def is_same(self, other: "Note") -> bool:
        """Whether a later answer is about the same bytes; what it leaves out it does not deny."""
        told = [(self.etag, other.etag), (self.last_modified, other.last_modified), (self.size_bytes, other.size_bytes)]
        return all(before == after for before, after in told if after)


def read_note(path: Path) -> Note:
    """The note in a file; OSError, ValueError or TypeError when there is none, or one that nobody here wrote."""
    note = Note(**json.loads(path.read_bytes()))
    if not (isinstance(note.etag, str) and isinstance(note.last_modified, str) and isinstance(note.synced, int)
            and isinstance(note.size_bytes, int | None) and note.synced >= 0):
        raise ValueError("not a note")
    return note


class Partial:
    """The download of one key. One process at a time has it: the one that holds the key's claim."""

    def __init__(self, store: Store, key: str) -> None:
        self.root, self.key = store.root, check_key(key)
        self.path = folder_of(store) / key[:2] / key
        self.note_path = self.path.with_suffix(".json")
        self.note = Note()
        self.length = 0
        self._fd: int | None = None
        self._synced_at = 0.0

    def resume(self) -> None:
        """Take up what an earlier run left: the bytes that its note vouches for; without a note, none."""
        try:
            self.note = read_note(self.note_path)
            there = self.path.stat().st_size
        except (OSError, ValueError, TypeError):
            self.note, there = Note(), 0
        self.length = min(self.note.synced, there) if self.note.validator else 0

    def begin(self, note: Note) -> None:
        """Start from the first byte of what `note` describes. Raises `MissingError` without space or permission."""
        self.note, self.length = replace(note, synced=0), 0
        self._close()
        with disk.explained(self.path, note.size_bytes or 0):
            self._open()
            self._write_note()

    def append(self, data: bytes) -> None:
        """Add bytes at the end. Raises `MissingError` when there is no space left."""
        with disk.explained(self.path, (self.note.size_bytes or 0) - self.length):
            fd = self._fd if self._fd is not None else self._open()
            self.length += sync.write_all(fd, data)
            if self.length - self.note.synced >= SYNC_BYTES or time.monotonic() - self._synced_at >= SYNC_S:
                self.sync()

    def sync(self) -> None:
        """Make the bytes durable, then the note that counts them."""
        with disk.explained(self.path):
            if self._fd is not None:
                os.fsync(self._fd)
            self.note = replace(self.note, synced=self.length)
            self._write_note()

    def close(self) -> None:
        """Sync and close; what there is stays for the next run."""
        if self._fd is not None:
            self.sync()
        self._close()

    def discard(self) -> None:
        """Remove it."""
        self._close()
        for path in (self.note_path, self.path):  # the note first: bytes without one are worth nothing
            path.unlink(missing_ok=True)
        self.note, self.length = Note(), 0

    def head(self, size: int) -> bytes:
        """The first bytes."""
        with self.path.open("rb") as file:
            return file.read(size)

    def _open(self) -> int:
        sync.make_folder(self.path.parent)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        os.ftruncate(self._fd, self.length)
        self._synced_at = time.monotonic()
        return self._fd

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    def _write_note(self) -> None:
        atomic.write_json(self.note_path, asdict(self.note))
        self._synced_at = time.monotonic()


def folder_of(store: Store) -> Path:
    """Where unfinished downloads lie."""
    return store.root / "fetch" / FOLDER


def sweep_partials(store: Store) -> None:
    """Remove what nobody went on with for two weeks, and what a kill left of downloads that became artefacts."""
    for path in folder_of(store).glob("??/*"):
        try:
            age_s = time.time() - path.stat().st_mtime
        except OSError:
            continue
        is_whole = (store.root / "fetch" / path.parent.name / path.stem).is_dir()
        if age_s > (WHOLE_S if is_whole else FORGOTTEN_S):  # a whole one may be being fetched again
            path.unlink(missing_ok=True)

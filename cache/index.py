"""Small records beside the artefacts: last runs, known runs, digests of input files. All of it can be rebuilt."""

import hashlib
import json
import os
import re
import stat as modes
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from strive.cache import atomic, lists
from strive.cache.digest import digest_file, digest_json, names_in
from strive.configs.errors import ItemError, MissingError

_GROUP = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_RACY_S = 2.0


class Index:
    """Records under one folder: `<group>/<2 hex>/<sha256 of the name>.json`; the group is the name's first part.

    A record may have a list (`lists.py`) beside it, `.list`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def remember(self, name: str, value: dict[str, Any]) -> None:
        """Store `value` under `name` ("last-run/extract"); MissingError when there is no space or no permission."""
        atomic.write_json(self._place(name), {"name": name, "value": value}, self.root)

    def recall(self, name: str) -> dict[str, Any] | None:
        """What was last remembered under `name`; None when nothing was or the record is unreadable."""
        record = _read(self._place(name))
        return record["value"] if record is not None and record["name"] == name else None

    def forget(self, name: str) -> None:
        """Remove a record and its list."""
        for place in (self._place(name), self._place(name).with_suffix(".list")):
            place.unlink(missing_ok=True)

    def records(self, group: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """All (name, value) of a group, in no particular order."""
        for place in sorted((self.root / group).glob("??/*.json")):
            record = _read(place)
            if record is not None:
                yield record["name"], record["value"]

    def remember_list(self, name: str, rows: Iterable[tuple[str, str]]) -> None:
        """Store (key, item id) pairs under `name`, beside its record; `rows` is read as it is written."""
        lists.write(self._place(name).with_suffix(".list"), rows, self.root)

    def recall_list(self, name: str) -> Iterator[tuple[str, str]]:
        """The (key, item id) pairs last stored under `name`, read from disk as they are asked for."""
        return lists.read(self._place(name).with_suffix(".list"))

    def recall_keys(self, name: str) -> Iterator[bytes]:
        """The keys of a list without the items, for counting: several times as quick."""
        return lists.keys(self._place(name).with_suffix(".list"))

    def lists(self, group: str) -> Iterator[Iterator[tuple[str, str]]]:
        """All lists of a group, also those whose record is unreadable."""
        for place in sorted((self.root / group).glob("??/*.list")):
            yield lists.read(place)

    def file_digest(self, path: Path) -> str:
        """The digest of a file, remembered by (absolute path, size, times, inode).

        When the file is gone the digest last seen at that path is used. Raises MissingError when it was never seen,
        ItemError when it is not a regular file, not readable, or changes while it is read.
        """
        name = f"digests/{os.path.abspath(path)}"
        known = self.recall(name)
        try:
            mark = _mark(path)
        except FileNotFoundError:
            return _last_seen(path, known)
        except OSError as error:
            raise ItemError(f"cannot be read: {os.strerror(error.errno or 0)}") from error
        if known is not None and known.get("mark") == mark and known.get("settled") is True:
            return str(known["digest"])
        digest, mark = _steady_digest(path)
        # A change within the clock's grain leaves the same mark, so a file this new is hashed again next time.
        settled = time.time() - max(mark[1], mark[2]) / 1e9 > _RACY_S
        self._remember_digest(name, {"mark": mark, "digest": digest, "settled": settled}, known)
        return digest

    def suppose_digest(self, path: Path, digest: str) -> bool:
        """Let `digest` count for a file that is not there and was never seen at `path`; False when it was.

        A file that is there, now or later, is read, whatever was supposed of it.
        """
        name = f"digests/{os.path.abspath(path)}"
        if self.recall(name) is not None or os.path.lexists(path):
            return False
        self.remember(name, {"mark": None, "digest": digest, "settled": False})
        return True

    def folder_digest(self, path: Path, patterns: tuple[str, ...] = ("*",)) -> str:
        """`digest.digest_folder` with each file's digest remembered."""
        return digest_json([[name, self.file_digest(path / name)] for name in names_in(path, patterns)])

    def _remember_digest(self, name: str, value: dict[str, Any], known: dict[str, Any] | None) -> None:
        """A cache that cannot be written still answers; the digest is computed again next time."""
        if value == known:
            return
        try:
            self.remember(name, value)
        except MissingError:
            return

    def _place(self, name: str) -> Path:
        group = name.split("/")[0]
        if not _GROUP.fullmatch(group):
            raise ValueError(f"not a record name: {name!r}")
        hashed = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        return self.root / group / hashed[:2] / f"{hashed}.json"


def _read(place: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        return None
    return record if isinstance(record.get("value"), dict) else None


def _last_seen(path: Path, known: dict[str, Any] | None) -> str:
    if known is None or "digest" not in known:
        raise MissingError(f"{path}: there is no such file.", "A video file.", "Check the path and --videos DIR.")
    return str(known["digest"])


def _mark(path: Path) -> list[int]:
    """[size, modified ns, changed ns, inode] of a regular file; never opens it, so a pipe cannot block."""
    return _mark_of(os.stat(path))


def _mark_of(stat: os.stat_result) -> list[int]:
    if not modes.S_ISREG(stat.st_mode):
        kinds = {modes.S_IFDIR: "a directory", modes.S_IFIFO: "a pipe", modes.S_IFSOCK: "a socket"}
        raise ItemError(f"not a file but {kinds.get(modes.S_IFMT(stat.st_mode), 'a device')}")
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _steady_digest(path: Path) -> tuple[str, list[int]]:
    """The digest and the mark of bytes that did not change while they were read; one retry."""
    for _attempt in range(2):
        before = _mark(path)
        try:
            digest = digest_file(path)
        except OSError as error:
            raise ItemError(f"cannot be read: {os.strerror(error.errno or 0)}") from error
        if _mark(path) == before:
            return digest, before
    raise ItemError("changed while it was read")

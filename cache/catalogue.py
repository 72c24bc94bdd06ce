"""Counts and lists the artefacts of a stage without reading their manifests, however many there are.

    <root>/index/catalogue/<stage>/<2 hex>.txt   a line an artefact: <key> <digest> <bytes> <disk bytes> <created>
    <root>/index/catalogue/<stage>/totals.txt    a line a shelf: <2 hex> <mtime> <count> <bytes> <disk bytes>

Neither is ever the proof that an artefact is there: the folders are. A shelf (the folder of all keys with the same
first two digits) changes its modification time whenever an artefact comes or goes; only while that is the recorded
one are its totals taken from `totals.txt`, else its names are listed. A line that is missing or torn is read from the
manifest again, so all of this may be deleted at any time.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from strive.cache import atomic, ledger, manifest
from strive.cache.artefact import Artefact
from strive.cache.disk import folder_bytes
from strive.cache.key import KEY
from strive.configs.errors import StriveError, VerificationError

_LINE = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9]{1,18}) ([0-9]{1,18}) ([0-9TZ:-]{20})\n")
_TOTALS = re.compile(r"([0-9a-f]{2}) ([0-9]{1,20}) ([0-9]{1,18}) ([0-9]{1,18}) ([0-9]{1,18})\n")
_SETTLED_NS = 2 * 10**9
_UNSETTLED = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One artefact: bytes of its files, bytes of all of its folder; without a digest when it has no readable
    manifest."""

    key: str
    digest: str | None
    size_bytes: int
    disk_bytes: int
    created: str


@dataclass(frozen=True, slots=True)
class Totals:
    """How many artefacts, the bytes of their files, and those of their folders."""

    count: int = 0
    size_bytes: int = 0
    disk_bytes: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(self.count + other.count, self.size_bytes + other.size_bytes, self.disk_bytes + other.disk_bytes)


class Catalogue:
    """What lies in the cache folder `root`, by stage."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "index" / "catalogue"

    def note(self, made: Iterable[Artefact]) -> None:
        """Add lines for new artefacts; what the disk refuses is left out, and read from the manifest when needed."""
        lines: dict[Path, list[str]] = {}
        with suppress(OSError, StriveError):
            for one in made:
                lines.setdefault(self._file(one.stage, one.key[:2]), []).append(_line(_entry(one)))
            for place, some in lines.items():
                ledger.append_unsynced(place, "".join(some).encode())

    def totals(self, stage: str) -> Totals:
        """The sums over a stage, complete or not; quick when little changed since they were last asked for."""
        known = self._known_totals(stage)
        rows = {shelf: self._shelf_totals(stage, shelf, known.get(shelf)) for shelf in self._shelves(stage)}
        if rows != known:
            text = "".join(f"{shelf} {mark} {sums.count} {sums.size_bytes} {sums.disk_bytes}\n"
                           for shelf, (mark, sums) in rows.items())
            self._write(self.folder / stage / "totals.txt", text)
        return sum((sums for _mark, sums in rows.values()), Totals())

    def entries(self, stage: str) -> Iterator[Entry]:
        """All artefacts of a stage sorted by key, complete or not; one shelf at a time is held in memory."""
        for shelf in self._shelves(stage):
            yield from self._entries_of(stage, shelf)

    def _shelf_totals(self, stage: str, shelf: str, known: tuple[int, Totals] | None) -> tuple[int, Totals]:
        """(mark, sums); the mark is the shelf's time before it was listed, if a further change would move that time."""
        try:
            mark = os.stat(self.root / stage / shelf).st_mtime_ns
        except OSError:
            return _UNSETTLED, Totals()
        if known is not None and known[0] == mark:
            return known
        found = self._entries_of(stage, shelf)
        is_settled = time.time_ns() - mark > _SETTLED_NS and all(one.digest for one in found)
        sums = Totals(len(found), sum(one.size_bytes for one in found), sum(one.disk_bytes for one in found))
        return mark if is_settled else _UNSETTLED, sums

    def _entries_of(self, stage: str, shelf: str) -> list[Entry]:
        folder = self.root / stage / shelf
        keys = [name for name in names_in(folder) if KEY.fullmatch(name)]
        lines = _read(self._file(stage, shelf))
        known = {found[1]: found for line in lines if (found := _LINE.fullmatch(line))}
        entries = [_of_line(known[key]) if key in known else self._look(stage, folder / key) for key in keys]
        is_new = any(one.digest and one.key not in known for one in entries)
        if is_new or len(lines) > 2 * len(keys) + 8:
            self._write(self._file(stage, shelf), "".join(_line(one) for one in entries if one.digest))
        return entries

    def _look(self, stage: str, place: Path) -> Entry:
        """Read from the manifest."""
        with suppress(VerificationError):
            found = manifest.read(place)
            if found is not None and (found.get("stage"), found.get("key")) == (stage, place.name):
                return _entry(Artefact(stage, place.name, self.root, found))
        size = folder_bytes(place)
        return Entry(place.name, None, size, size, "")

    def _shelves(self, stage: str) -> list[str]:
        return [name for name in names_in(self.root / stage) if len(name) == 2]

    def _known_totals(self, stage: str) -> dict[str, tuple[int, Totals]]:
        rows = [found for line in _read(self.folder / stage / "totals.txt") if (found := _TOTALS.fullmatch(line))]
        return {row[1]: (int(row[2]), Totals(int(row[3]), int(row[4]), int(row[5]))) for row in rows}

    def _file(self, stage: str, shelf: str) -> Path:
        return self.folder.joinpath(stage, f"{shelf}.txt")

    def _write(self, place: Path, text: str) -> None:
        """A cache that cannot be written is listed all the same."""
        with suppress(OSError, StriveError):
            atomic.write_bytes(place, text.encode(), self.root / "index")


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; none when it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _entry(one: Artefact) -> Entry:
    size = one.size_bytes
    with_manifest = size + os.stat(f"{one.path}/{atomic.MANIFEST}").st_size
    return Entry(one.key, one.digest, size, with_manifest, str(one.manifest.get("created")))


def _line(one: Entry) -> str:
    digest = str(one.digest).removeprefix("sha256:")
    return f"{one.key} {digest} {one.size_bytes} {one.disk_bytes} {one.created}\n"


def _of_line(found: re.Match[str]) -> Entry:
    return Entry(found[1], f"sha256:{found[2]}", int(found[3]), int(found[4]), found[5])


def _read(place: Path) -> list[str]:
    try:
        return place.read_text("ascii", "replace").splitlines(keepends=True)
    except OSError:
        return []

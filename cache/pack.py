"""Writes artefacts into one tar, to be taken in by another cache (`unpack.py`).

    strive-cache.json                      {"format": 1, "artefacts": 3, "bytes": 81920}
    videos.list                            a line a video: <digest> <its name as a JSON string>
    <stage>/<key>/<file> ...               sorted by stage and key; the files of an artefact by name,
    <stage>/<key>/manifest.json            and its manifest last

The same artefacts give the same bytes: members are sorted and carry no times and no owners.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from strive.cache import atomic, disk, links, runs, tar
from strive.cache.artefact import Artefact, Output
from strive.cache.store import Store
from strive.cache.sync import chunks_of
from strive.configs.errors import MissingError, VerificationError

FORMAT = 1
HEADER, VIDEOS = "strive-cache.json", "videos.list"
Tell = Callable[[int, int, str], None]
"""Told (how many are written, of how many, which)."""


@dataclass(frozen=True)
class Chosen:
    """What to export, sorted by stage and key; `missing`: how many a run or a stage names that are gone."""

    artefacts: tuple[Artefact, ...]
    missing: int

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but the manifests."""
        return sum(one.size_bytes for one in self.artefacts)


def choose(store: Store, folders: Sequence[Path] = (), stages: Sequence[str] = (), everything: bool = False) -> Chosen:
    """What the runs in `folders` read and the last runs of `stages` left, with all that those were made from.

    Raises MissingError for a folder that no run is known of and for a stage that never ran.
    """
    roots = set()
    for folder in folders:
        roots |= _heads(runs.read_by(store, folder), f"{folder}: no run of this folder is known in {store.root}")
    for stage in stages:
        rows = (key for key, _item in runs.last_run(store, stage))
        roots |= _heads(rows, f"{stage}: no last run is known in {store.root}")
    made_from, found = links.Links(), list[Artefact]()
    for one in store.entries():
        made_from.add(one.key, one.digest, one.manifest.get("inputs"))
        found.append(one.light())
    if everything:
        return Chosen(tuple(found), 0)
    needed = made_from.reach(roots)
    return Chosen(tuple(one for one in found if links.head(one.key) in needed), len(roots - needed))


def write(store: Store, chosen: Chosen, target: Path, tell: Tell = lambda *_: None) -> int:
    """Write the tar at `target`, whole or not at all; returns its bytes.

    Every file is checked as it is read: VerificationError for one that is damaged. MissingError when the disk has no
    room for it.
    """
    disk.require(target.absolute().parent, chosen.size_bytes)
    count = 0

    def counted() -> Iterator[bytes]:
        nonlocal count
        for chunk in _chunks(store, chosen, tell):
            count += len(chunk)
            yield chunk

    atomic.write_stream(target, counted(), chosen.size_bytes)
    return count


def _heads(keys: Iterable[str], unknown: str) -> set[bytes]:
    found = {links.head(key) for key in keys}
    if not found:
        raise MissingError(unknown, "A run folder as given to --run, or a stage that ran with this cache.",
                           "See `strive status` and `strive cache path`, or use --all.")
    return found


def _chunks(store: Store, chosen: Chosen, tell: Tell) -> Iterator[bytes]:
    total = len(chosen.artefacts)
    yield from _member(HEADER, atomic.json_bytes({"format": FORMAT, "artefacts": total, "bytes": chosen.size_bytes}))
    yield from _member(VIDEOS, "".join(_video_lines(store, chosen)).encode())
    for number, one in enumerate(chosen.artefacts, start=1):
        for output in sorted(one.outputs(), key=lambda output: output.path):
            yield tar.header(f"{one.stage}/{one.key}/{output.path}", output.size_bytes)
            yield from _checked(one, output)
            yield tar.padding(output.size_bytes)
        yield from _member(f"{one.stage}/{one.key}/{atomic.MANIFEST}", (one.path / atomic.MANIFEST).read_bytes())
        tell(number, total, f"{one.stage}/{one.key}")
    yield tar.END


def _member(name: str, data: bytes) -> Iterator[bytes]:
    yield tar.header(name, len(data))
    yield data
    yield tar.padding(len(data))


def _checked(one: Artefact, output: Output) -> Iterator[bytes]:
    """A file's bytes; VerificationError at the end when they were not those that the manifest records."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks_of(one.path / output.path):
        digest.update(chunk)
        size += len(chunk)
        if size <= output.size_bytes:
            yield chunk
    if (size, f"sha256:{digest.hexdigest()}") != (output.size_bytes, output.digest):
        raise VerificationError(
            f"{one.path}: file {output.path} does not have the bytes that were written.", "The bytes its manifest "
            "records.", "Run `strive cache verify --deep --repair`, then the stage's command, then export again.",
        )


def _video_lines(store: Store, chosen: Chosen) -> list[str]:
    """The videos that the exported frames are of, so that the importing side can know them without their files."""
    inputs = {one.key: one.manifest.get("inputs") for one in chosen.artefacts if one.stage == "extract"}
    lines = set()
    for key, video in runs.videos(store):
        for row in inputs.get(key) or ():
            if isinstance(row, dict) and "stage" not in row and "digest" in row:
                lines.add(f"{str(row['digest']).removeprefix('sha256:')} {json.dumps(video)}\n")
    return sorted(lines)

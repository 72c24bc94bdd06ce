"""Takes the artefacts of an exported tar (`pack.py`) into a cache: each is checked byte by byte before it is visible.

Those that the cache has are left as they are, so an import that was interrupted goes on where it stopped. Nothing in a
tar is trusted: a name must be that of an artefact's file, and whatever is not a plain file is refused.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from strive.cache import atomic, batch, disk, lists, manifest, tar
from strive.cache.artefact import Artefact
from strive.cache.draft import Draft, check_name
from strive.cache.key import check_key, check_stage
from strive.cache.pack import FORMAT, HEADER, VIDEOS, Tell
from strive.cache.store import Store
from strive.configs.errors import MissingError, VerificationError

MOST_FILES = 100_000
_HEADER_BYTES = 1 << 20
_TOGETHER, _TOGETHER_BYTES = 256, 1 << 28


@dataclass
class Survey:
    """What a tar holds, by its names and sizes alone: artefacts, those that are there, bytes of those that are not."""

    artefacts: int = 0
    there: int = 0
    needed_bytes: int = 0


@dataclass
class Imported:
    """How many artefacts were taken in, how many were there, bytes written, videos known by name."""

    done: int = 0
    cached: int = 0
    size_bytes: int = 0
    videos: int = 0


@dataclass
class _Ready:
    """Sealed drafts of one stage on their way to be visible."""

    stage: str
    together: batch.Batch
    artefacts: list[Artefact] = field(default_factory=list)
    size_bytes: int = 0


def survey(store: Store, source: Path) -> Survey:
    """Look through the whole tar without reading its files. Raises what `read` raises for its form."""
    found = Survey()
    with _opened(source) as file:
        for (stage, key), group in _artefacts(file):
            size = sum(one.size_bytes for _name, one in group)
            found.artefacts += 1
            if store.find(stage, key) is None:
                found.needed_bytes += size
            else:
                found.there += 1
    return found


def read(store: Store, source: Path, videos: Path | None = None, tell: Tell = lambda *_: None) -> Imported:
    """Take in what is not there yet.

    `videos`: a folder whose missing videos are from now on known by the digests in the tar. Raises MissingError when
    there is no such file or no room for it, VerificationError for a tar that is damaged, cut short, no export, or holds
    bytes that its manifests do not record; what was taken in before that point is complete and stays.
    """
    plan = survey(store, source)
    disk.require(store.root, plan.needed_bytes)
    done = Imported()
    with _opened(source) as file:
        for stage, artefacts in groupby(_artefacts(file), key=lambda one: one[0][0]):
            todo = artefacts
            while (first := next(todo, None)) is not None:
                _take_some(store, stage, first, todo, done, lambda name: tell(done.done + done.cached, plan.artefacts,
                                                                              name))
        if videos is not None:
            done.videos = _suppose(store, file, videos)
    return done


def _take_some(store: Store, stage: str, first: Any, more: Iterator[Any], done: Imported, tell: Any) -> None:
    """Artefacts of one stage, as many as become visible together."""
    with ExitStack() as stack:
        ready: _Ready | None = None
        for (_stage, key), group in _chain(first, more):
            if store.find(stage, key) is not None:
                done.cached += 1
            else:
                ready = ready or _Ready(stage, stack.enter_context(batch.batch(store.root / stage)))
                with disk.explained(store.root):
                    _add(store, ready, key, group)
            tell(f"{stage}/{key}")
            if ready and (len(ready.artefacts) >= _TOGETHER or ready.size_bytes >= _TOGETHER_BYTES):
                break
        if ready:
            with disk.explained(store.root):
                ready.together.reveal([one.path for one in ready.artefacts])
            store.catalogue.note(ready.artefacts)
            done.done += len(ready.artefacts)
            done.size_bytes += ready.size_bytes


def _chain(first: Any, more: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from more


def _add(store: Store, ready: _Ready, key: str, group: Iterator[tuple[str, tar.Member]]) -> None:
    """Write an artefact's files and, once all of them are as its manifest says, the manifest."""
    draft = ready.together.draft()
    for name, member in group:
        if name != atomic.MANIFEST:
            draft.add(name, member.chunks())
            continue
        data = member.read(manifest.MAX_BYTES)
        found = _agreed(draft, ready.stage, key, data)
        draft.seal(data)
        one = Artefact(ready.stage, key, store.root, found)
        ready.artefacts.append(one)
        ready.size_bytes += one.size_bytes


def _agreed(draft: Draft, stage: str, key: str, data: bytes) -> dict[str, Any]:
    """The manifest, when it is of this artefact and records exactly the files that were written."""
    found = manifest.parse(data, Path(stage, key))
    if found is None or (found.get("stage"), found.get("key")) != (stage, key):
        raise tar.refused(f"{stage}/{key} has no manifest of its own", "the manifest that it was made with")
    recorded = [(out["path"], out["bytes"], out["digest"]) for out in found["outputs"]]
    written = [(out["path"], out["bytes"], out["digest"]) for out in draft.outputs]
    if sorted(recorded) != sorted(written):
        bad = sorted({one[0] for one in {*recorded} ^ {*written}})
        raise VerificationError(
            f"{stage}/{key}: {', '.join(bad[:3])}: not the bytes that the manifest records.", "The bytes that were "
            "exported.", "Copy the tar again, or export again after `strive cache verify --deep` on the other side.",
        )
    return found


def _artefacts(file: BinaryIO) -> Iterator[tuple[tuple[str, str], Iterator[tuple[str, tar.Member]]]]:
    """((stage, key), its (file name, member)s, the manifest last), in the order of the tar, each once.

    The members must be used before the next artefact is asked for.
    """
    plain = tar.members(file)
    _check_head(next(plain, None))
    placed = (_placed(one) for one in plain if one.name != VIDEOS)
    before = ("", "")
    for place, group in groupby(placed, key=lambda one: one[0]):
        if place <= before:
            raise tar.refused(f"{'/'.join(place)} is not in its place", "artefacts sorted by stage and key, each once")
        before = place
        rest = _ending_in_manifest(place, ((name, member) for _place, name, member in group))
        yield place, rest
        for _ in rest:
            pass


def _ending_in_manifest(
    place: tuple[str, str], group: Iterator[tuple[str, tar.Member]]
) -> Iterator[tuple[str, tar.Member]]:
    last = ""
    for count, (name, member) in enumerate(group, start=1):
        if last == atomic.MANIFEST or count > MOST_FILES or (name <= last and name != atomic.MANIFEST):
            raise tar.refused(f"{'/'.join(place)}: {name!r} is not in its place", "files by name, the manifest last")
        last = name
        yield name, member
    if last != atomic.MANIFEST:
        raise tar.refused(f"{'/'.join(place)} has no manifest", "a manifest as the last file of each artefact")


def _placed(member: tar.Member) -> tuple[tuple[str, str], str, tar.Member]:
    """((stage, key), file name, member); the names are checked, so that none leaves its artefact's folder."""
    stage, _, rest = member.name.partition("/")
    key, _, name = rest.partition("/")
    try:
        if check_stage(stage) in Store.RESERVED:
            raise ValueError(f"not a stage name: {stage!r}")
        return (stage, check_key(key)), check_name(name), member
    except ValueError as error:
        raise tar.refused(f"{member.name!r} is not an artefact's file", "<stage>/<key>/<file>") from error


def _check_head(first: tar.Member | None) -> None:
    if first is None or first.name != HEADER:
        raise tar.refused(f"it does not begin with {HEADER}", "a tar that `strive cache export` wrote")
    try:
        head = json.loads(first.read(_HEADER_BYTES))
        number = int(head["format"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise tar.refused(f"{HEADER} is damaged", "a tar that `strive cache export` wrote") from error
    if number > FORMAT:
        raise VerificationError(f"the tar was made by a newer strive (format {number}).",
                                f"Format {FORMAT}, which this strive reads.", "Upgrade strive.")


def _suppose(store: Store, file: BinaryIO, folder: Path) -> int:
    """Let the videos of the tar's list count as known where their files are not; returns how many."""
    count = 0
    for member in tar.members(file):
        if member.name == VIDEOS:
            for line in member.lines():
                row = lists.parse(line)
                if row is not None and _is_inside(row[1]):
                    count += store.index.suppose_digest(folder / row[1], f"sha256:{row[0]}")
            break
    return count


def _is_inside(name: str) -> bool:
    try:
        return bool(check_name(name))
    except ValueError:
        return False


def _opened(source: Path) -> BinaryIO:
    """The tar; MissingError when it is not a file that can be read."""
    if not source.is_file():
        raise MissingError(f"{source}: there is no such file.", "A tar that `strive cache export` wrote.",
                           "Check the path.")
    return source.open("rb")

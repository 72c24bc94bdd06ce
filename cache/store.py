"""The cache folder: artefacts found by key, made by one writer at a time, visible only when complete.

    <root>/<stage>/<key[:2]>/<key>/manifest.json + files      artefacts
    <root>/<stage>/.tmp-*                                     being written, or left by the dead and swept
    <root>/index/<group>/..                                   small records (index.py)
    <root>/locks/<stage>-<key>.lock                           held keys
"""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strive.cache import atomic, batch, disk, lock, manifest, sweep, sync
from strive.cache.artefact import Artefact
from strive.cache.catalogue import Catalogue, names_in
from strive.cache.index import Index
from strive.cache.key import KEY, STAGE, check_key, check_stage
from strive.configs.errors import VerificationError

__all__ = ["Artefact", "Store", "default_root"]

_USED_EVERY_S = 3600.0


def default_root() -> Path:
    """STRIVE_CACHE_DIR, else $XDG_CACHE_HOME/strive, else ~/.cache/strive."""
    if named := os.environ.get("STRIVE_CACHE_DIR"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "strive"


class Store:
    """Artefacts and records under `root`, which need not exist yet. Opening it sweeps what dead writers left."""

    RESERVED = ("index", "locks")

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.index = Index(self.root / "index")
        self.catalogue = Catalogue(self.root)
        for folder in (*self._stage_folders(), self.root / "index"):
            sweep.sweep(folder)
        self._clear_locks()

    def find(self, stage: str, key: str) -> Artefact | None:
        """The artefact when it is complete (manifest of this key, all sizes right), else None.

        Marks it as used, for gc. Raises VerificationError only for one that a newer strive made.
        """
        found = self._look(self._place(stage, key))
        if found is not None:
            _mark_used(found.path)
        return found

    @contextmanager
    def claim(
        self, stage: str, key: str, timeout_s: float = 3600, on_wait: Callable[[str], None] | None = None,
        give_up: Callable[[], bool] = lambda: False, under: str | None = None,
    ) -> Iterator[Artefact | None]:
        """Be the only writer of a key; yields what another writer finished meanwhile, or None: then make it.

        `under`: the key that stands for a whole group of keys, where every writer of one of them claims that one. See
        `lock.hold` for how it waits.
        """
        with lock.hold(self.lock_path(stage, under or key), timeout_s, on_wait, give_up=give_up):
            yield self.find(stage, key)

    def publish(
        self, stage: str, key: str, files: Mapping[str, bytes | Path], provenance: Mapping[str, Any],
        replace: bool = False,
    ) -> Artefact:
        """Make the artefact appear, complete; an intact one that is already there is returned unchanged.

        With `replace` the one that is there gives way, and only once the new one is ready to be written.
        `provenance` is described at `manifest.build`. Raises MissingError when there is no space or no permission.
        """
        existing = None if replace else self._intact(stage, key)
        if existing is not None:
            return existing
        place = self._place(stage, key)
        with disk.explained(self.root):
            disk.require_room(self.root, atomic.bytes_of(files))
            sync.make_folder(self.root / stage)
        made = manifest.build(stage, key, provenance)
        try:
            filled = atomic.publish_folder(place, files, made, self.root / stage, replace=place.exists())
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return self._published_by_another(stage, key)
        artefact = Artefact(stage, key, self.root, filled)
        self.catalogue.note([artefact])
        return artefact

    def publish_many(
        self, stage: str, entries: Sequence[tuple[str, Mapping[str, bytes | Path], Mapping[str, Any]]],
        replace: bool = False,
    ) -> list[Artefact]:
        """`publish` for several (key, files, provenance): each absent or complete, all durable on return.

        For small artefacts: their files are synced together, so one of them costs a fraction of a `publish`.
        """
        there = {key: None if replace else self._intact(stage, key) for key, _files, _provenance in entries}
        made = {key: entry for key, *entry in entries if there[key] is None}
        if made:
            there |= self._publish_new(stage, made)
        return [one for key, *_rest in entries if (one := there[key]) is not None]

    def _publish_new(self, stage: str, made: Mapping[str, Sequence[Any]]) -> dict[str, Artefact | None]:
        needed = sum(atomic.bytes_of(files) for files, _provenance in made.values())
        filled = {}
        with disk.explained(self.root, needed):
            disk.require_room(self.root, needed)
            with batch.batch(self.root / stage) as together:
                for key, (files, provenance) in made.items():
                    filled[key] = atomic.fill(together.draft(), files, manifest.build(stage, key, provenance))
                places = [self._place(stage, key) for key in made]
                moved = together.reveal(places)
        new = {key: Artefact(stage, key, self.root, filled[key])
               for key, is_new in zip(made, moved, strict=True) if is_new}
        self.catalogue.note(new.values())
        return {key: new[key] if key in new else self._published_by_another(stage, key) for key in made}

    def totals(self, stage: str) -> tuple[int, int]:
        """How many artefacts of a stage there are, and the bytes of their files; for estimates."""
        sums = self.catalogue.totals(check_stage(stage))
        return sums.count, sums.size_bytes

    def stages(self) -> list[str]:
        """The stages that have a folder, sorted."""
        return [folder.name for folder in self._stage_folders()]

    def drop(self, stage: str, key: str) -> None:
        """Remove an artefact at once; readers that have a file open finish undisturbed."""
        place = self._place(stage, key)
        if place.exists():
            atomic.remove_folder(place, self.root / stage)

    def entries(self, stage: str | None = None) -> Iterator[Artefact]:
        """All complete artefacts that this strive can read, of one stage or of all, sorted by stage and key."""
        for _stage, _key, place in self.places(stage):
            try:
                found = self._look(place)
            except VerificationError:
                continue
            if found is not None:
                yield found

    def places(self, stage: str | None = None) -> Iterator[tuple[str, str, Path]]:
        """(stage, key, folder) of everything that has an artefact's name, complete or not."""
        folders = [self.root / check_stage(stage)] if stage is not None else self._stage_folders()
        for folder in folders:
            for shelf in names_in(folder):
                if len(shelf) == 2:
                    for key in names_in(folder / shelf):
                        if KEY.fullmatch(key):
                            yield folder.name, key, folder / shelf / key

    def video_digest(self, path: Path) -> str:
        """The digest of a file's bytes, remembered: see `Index.file_digest`."""
        return self.index.file_digest(path)

    def folder_digest(self, path: Path, patterns: tuple[str, ...] = ("*",)) -> str:
        """The digest of a folder's names and bytes (model weights), each file's remembered."""
        return self.index.folder_digest(path, patterns)

    def remember(self, name: str, value: dict[str, Any]) -> None:
        """Keep a small record; the part of `name` before "/" is its group."""
        self.index.remember(name, value)

    def recall(self, name: str) -> dict[str, Any] | None:
        """The record last kept under `name`, or None."""
        return self.index.recall(name)

    def require_space(self, size_bytes: int) -> None:
        """Raise MissingError, before any work, when `size_bytes` do not fit or the cache cannot be written."""
        disk.require(self.root, size_bytes)

    def lock_path(self, stage: str, key: str) -> Path:
        """The lock file of a key."""
        return self.root / "locks" / f"{check_stage(stage)}-{check_key(key)}.lock"

    def clear_locks(self) -> None:
        """Remove all locks of the dead: for the end of a run, which has taken over what it needed."""
        for path in lock.dead_in(self.root / "locks"):
            lock.clear(path)

    def _clear_locks(self) -> None:
        """Remove the locks of the dead whose artefacts are there: nobody is going to claim those keys again."""
        for path in lock.dead_in(self.root / "locks"):
            stage, _, key = path.stem.rpartition("-")
            if STAGE.fullmatch(stage) and KEY.fullmatch(key) and (self._place(stage, key) / atomic.MANIFEST).exists():
                lock.clear(path)

    def _place(self, stage: str, key: str) -> Path:
        if stage in self.RESERVED:
            raise ValueError(f"not a stage name: {stage!r}")
        return self.root.joinpath(check_stage(stage), check_key(key)[:2], key)

    def _look(self, place: Path) -> Artefact | None:
        """The artefact at `place` when its manifest is of that very key and stage and the sizes are right."""
        found = manifest.read(place)
        if found is None or (found.get("stage"), found.get("key")) != (place.parent.parent.name, place.name):
            return None
        return Artefact(found["stage"], place.name, self.root, found) if manifest.is_complete(place, found) else None

    def _intact(self, stage: str, key: str) -> Artefact | None:
        """What is there when all of its bytes are right."""
        existing = self._look(self._place(stage, key))
        return existing if existing is not None and not existing.damage() else None

    def _stage_folders(self) -> list[Path]:
        try:
            names = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        except OSError:
            return []
        return [self.root / name for name in names if STAGE.fullmatch(name) and name not in self.RESERVED]

    def _published_by_another(self, stage: str, key: str) -> Artefact:
        """Two writers without a claim: the first one's artefact counts."""
        existing = self._look(self._place(stage, key))
        if existing is None:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(self._place(stage, key)))
        return existing


def _mark_used(folder: Path) -> None:
    """The folder's time says when it was last wanted; a cache that cannot be written is not marked."""
    try:
        if time.time() - os.stat(folder).st_mtime > _USED_EVERY_S:
            os.utime(folder)
    except OSError:
        return

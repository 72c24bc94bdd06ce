"""Removes artefacts that no known run refers to and that nobody wanted for a day or longer, the oldest first."""

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from strive.cache import links, lock, manifest, runs
from strive.cache.artefact import Artefact
from strive.cache.disk import folder_bytes
from strive.cache.store import Store
from strive.configs.errors import LockedError, VerificationError

DAY_S = 24 * 3600
GRACE_DAYS = 1


@dataclass(frozen=True, slots=True)
class Garbage:
    """One artefact folder that may go; `size_bytes` is what it takes on disk."""

    stage: str
    key: str
    root: Path
    size_bytes: int
    idle_days: float

    @property
    def path(self) -> Path:
        """The folder."""
        return self.root / self.stage / self.key[:2] / self.key


def find_garbage(
    store: Store, older_than_days: float = GRACE_DAYS, without: Collection[Path] = (), max_bytes: int | None = None
) -> list[Garbage]:
    """What `collect` would remove, oldest first: unreferenced and last wanted more than `older_than_days` days ago.

    Less than a day counts as a day. `without`: run folders whose references do not count. `max_bytes`: only as much as
    must go until the whole cache takes no more than that. A time in the future counts as now, so a wrong clock never
    makes anything old. Raises no error for what a newer strive made: it stays.
    """
    limit = max(older_than_days, GRACE_DAYS)
    made_from, roots, old = links.Links(), runs.live_names(store, without), list[tuple[str, str]]()
    for stage, key, place in store.places():
        try:
            found = manifest.read(place)
        except VerificationError:
            continue
        if found is not None and found.get("key") == key:
            made_from.add(key, Artefact(stage, key, store.root, found).digest, found.get("inputs"))
        if idle_days(place) > limit:
            old.append((stage, key))
        else:
            roots.add(links.head(key))
    needed = made_from.reach(roots)
    garbage = [_garbage(store, stage, key) for stage, key in old if links.head(key) not in needed]
    garbage.sort(key=lambda one: (-one.idle_days, one.stage, one.key))
    return garbage if max_bytes is None else _until_it_fits(garbage, total_bytes(store) - max_bytes)


def collect(store: Store, garbage: list[Garbage], without: Collection[Path] = ()) -> list[Garbage]:
    """Remove the garbage; what is being made or was wanted again meanwhile stays. Returns what was removed.

    The runs in the folders `without` are forgotten: they keep nothing any more.
    """
    removed = []
    for one in garbage:
        try:
            with lock.hold(store.lock_path(one.stage, one.key), timeout_s=0):
                if idle_days(one.path) >= one.idle_days:
                    store.drop(one.stage, one.key)
                    removed.append(one)
        except LockedError:
            continue
    runs.forget_runs(store, without)
    store.clear_locks()
    return removed


def total_bytes(store: Store) -> int:
    """What all artefacts take on disk."""
    return sum(store.catalogue.totals(stage).disk_bytes for stage in store.stages())


def idle_days(place: Path | str) -> float:
    """Days since the artefact was made or last found; 0 for a time in the future or a folder that is gone."""
    try:
        return max(0.0, time.time() - os.stat(place).st_mtime) / DAY_S
    except OSError:
        return 0.0


def _garbage(store: Store, stage: str, key: str) -> Garbage:
    place = store.root / stage / key[:2] / key
    return Garbage(stage, key, store.root, folder_bytes(place), idle_days(place))


def _until_it_fits(oldest_first: list[Garbage], excess_bytes: int) -> list[Garbage]:
    chosen = []
    for one in oldest_first:
        if excess_bytes <= 0:
            break
        chosen.append(one)
        excess_bytes -= one.size_bytes
    return chosen

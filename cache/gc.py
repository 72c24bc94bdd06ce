"""Removes artefacts that no known run refers to and that nobody wanted for a day or longer."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from strive.cache import lock, manifest, runs
from strive.cache.store import Store
from strive.configs.errors import LockedError, VerificationError

DAY_S = 24 * 3600
GRACE_DAYS = 1


@dataclass(frozen=True)
class Garbage:
    """One artefact folder that may go; `size_bytes` is what it takes on disk."""

    stage: str
    key: str
    path: Path
    size_bytes: int
    idle_days: float


def find_garbage(store: Store, older_than_days: float = GRACE_DAYS) -> list[Garbage]:
    """What `collect` would remove: unreferenced and last wanted more than `older_than_days` (at least 1) days ago.

    A time in the future counts as now, so a wrong clock never makes anything old.
    """
    limit = max(older_than_days, GRACE_DAYS)
    places = list(_readable_places(store))
    idle = {place: idle_days(place) for _stage, _key, place in places}
    needed = runs.needed_keys(store, [key for _stage, key, place in places if idle[place] <= limit])
    return [
        Garbage(stage, key, place, folder_bytes(place), idle[place])
        for stage, key, place in places if idle[place] > limit and key not in needed
    ]


def collect(store: Store, garbage: list[Garbage]) -> list[Garbage]:
    """Remove the garbage; what is being made or was wanted again meanwhile stays. Returns what was removed."""
    removed = []
    for one in garbage:
        try:
            with lock.hold(store.lock_path(one.stage, one.key), timeout_s=0):
                if idle_days(one.path) >= one.idle_days:
                    store.drop(one.stage, one.key)
                    removed.append(one)
        except LockedError:
            continue
    runs.forget_gone_runs(store)
    _clear_dead_locks(store)
    return removed


def idle_days(place: Path) -> float:
    """Days since the artefact was made or last found; 0 for a time in the future or a folder that is gone."""
    try:
        return max(0.0, time.time() - place.stat().st_mtime) / DAY_S
    except OSError:
        return 0.0


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


def _readable_places(store: Store) -> Iterator[tuple[str, str, Path]]:
    """Every artefact folder but those of a newer strive, which this one cannot judge."""
    for stage, key, place in store.places():
        try:
            manifest.read(place)
        except VerificationError:
            continue
        yield stage, key, place


def _clear_dead_locks(store: Store) -> None:
    for path in (store.root / "locks").glob("*.lock"):
        owner = lock.holder(path)
        if owner is not None and owner.is_dead():
            try:
                with lock.hold(path, timeout_s=0):
                    pass
            except LockedError:
                continue

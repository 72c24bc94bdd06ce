"""Which artefacts known runs refer to: what gc must keep.

A run folder records itself (`record_run`) and counts for as long as the folder exists; the last run of each data stage
counts always. What a kept artefact was made from is kept with it.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from strive.cache.artefact import Artefact
from strive.cache.store import Store

LAST_RUN, RUNS = "last-run", "runs"
_HEX = re.compile(r"[0-9a-f]{64}")


def record_run(store: Store, folder: Path, artefacts: Iterable[Artefact],
               frames: Mapping[str, Artefact] | None = None) -> None:
    """Note that the run in `folder` reads these artefacts, so that gc keeps them while the folder exists.

    `frames`: those of each video, by its name, for whoever looks at the run later.
    """
    place = os.path.abspath(folder)
    named = {"frames": {video: one.key for video, one in frames.items()}} if frames else {}
    store.remember(f"{RUNS}/{place}", {"folder": place, "keys": sorted({one.key for one in artefacts}), **named})


def live_records(store: Store) -> Iterator[dict[str, Any]]:
    """The records that keep artefacts: last runs, and runs whose folder is still there."""
    yield from (value for _name, value in store.index.records(LAST_RUN))
    yield from (value for _name, value in store.index.records(RUNS) if not _is_gone(value))


def forget_gone_runs(store: Store) -> int:
    """Drop the records of runs whose folder is gone; returns how many."""
    gone = [name for name, value in store.index.records(RUNS) if _is_gone(value)]
    for name in gone:
        store.index.forget(name)
    return len(gone)


def needed_keys(store: Store, young: Iterable[str]) -> set[str]:
    """The keys of all artefacts that live records or `young` artefacts refer to, directly or through their inputs."""
    by_name = _by_key_and_digest(store)
    names = {name for record in live_records(store) for name in _names_in(record)} | set(young)
    needed: set[str] = set()
    while names:
        fresh = [one for name in names for one in by_name.get(name, ()) if one.key not in needed]
        needed.update(one.key for one in fresh)
        names = {name for one in fresh for name in _names_in(one.manifest.get("inputs"))}
    return needed


def _by_key_and_digest(store: Store) -> dict[str, list[Artefact]]:
    """Inputs are recorded by content digest, runs by key: both lead to the artefact."""
    found: dict[str, list[Artefact]] = {}
    for one in store.entries():
        for name in {one.key, one.digest.removeprefix("sha256:")}:
            found.setdefault(name, []).append(one)
    return found


def _names_in(value: Any) -> set[str]:
    """Everything in a record that can be a key or a digest, wherever it stands."""
    return set(_HEX.findall(json.dumps(value)))


def _is_gone(value: dict[str, Any]) -> bool:
    folder = value.get("folder")
    return isinstance(folder, str) and not Path(folder).exists()

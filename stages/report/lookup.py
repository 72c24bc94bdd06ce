"""Finds a sample's bundle: in a file, or in the cache as the last `strive variants` run left it."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from strive.cache import runs
from strive.cache.store import Store
from strive.configs.errors import MissingError, UsageError
from strive.stages.bundle.format import FILE
from strive.stages.bundle.reader import Bundle

COMPARED = 5000
"""Names that a mistyped one is compared with: more take seconds."""


def find_bundle(store: Store, name: str) -> Bundle:
    """The bundle of `name`: a bundle file, an artefact folder, or a sample id of the last run.

    Raises `UsageError` for an id that the run did not have, `MissingError` when the bundle is no longer in the cache.
    """
    path = Path(name)
    if os.path.isfile(path):  # Path.is_file raises for an id that is too long to be a name
        return Bundle.open(path)
    if os.path.isfile(path / FILE):
        return Bundle.open(path / FILE)
    key = next((key for key, sample in runs.last_run(store, "variants") if sample == name), None)
    if key is None:
        raise unknown(name, [sample for _key, sample in runs.last_run(store, "variants")])
    found = in_cache(store, key)
    if found is None:
        raise MissingError(f"{name}: its bundle is no longer in {store.root}", "a bundle in the cache",
                           "Run `strive variants --data FILE --videos DIR` to make it again.")
    return found


class RunBundles:
    """Finds the bundles that a run was trained on: those it recorded, else those of the last `strive variants`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[Path, dict[str, str]] = {}

    def __call__(self, run: Path, sample_id: str) -> Bundle | None:
        """The bundle of a sample as the run saw it, None when it is no longer there."""
        if run not in self.known:
            self.known[run] = {**last_keys(self.store), **recorded_keys(self.store, run)}
        key = self.known[run].get(sample_id)
        return in_cache(self.store, key) if key else None


def recorded_keys(store: Store, run: Path) -> dict[str, str]:
    """Sample id → key of the bundles that the run in this folder recorded as its own."""
    places = [store.find("variants", key) for key, _video in runs.recorded(store, run)]
    return {Bundle.open(one.file(FILE)).sample.id: one.key for one in places if one}


def last_keys(store: Store) -> dict[str, str]:
    """Sample id → key of the bundles that the last `strive variants` run left."""
    return {sample: key for key, sample in runs.last_run(store, "variants")}


def in_cache(store: Store, key: str) -> Bundle | None:
    """The bundle of a key, its bytes checked."""
    found = store.find("variants", key)
    return Bundle.open(found.file(FILE)) if found else None


def unknown(name: str, samples: Sequence[str]) -> UsageError:
    """The error for an id nobody knows, with the nearest ones among the first thousands."""
    close = difflib.get_close_matches(name, samples[:COMPARED], n=3, cutoff=0.4) or samples[:3]
    known = f"one of the {len(samples)} samples of the last run, such as {', '.join(close)}"
    return UsageError(f"{name}: no such sample, and no bundle file of that name",
                      known if samples else "a sample for which `strive variants` ran",
                      "Give a sample id, a bundle.h5, or --data FILE --videos DIR of another dataset.")

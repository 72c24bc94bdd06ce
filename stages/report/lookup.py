"""Finds a sample's bundle: in a file, or in the cache as the last `strive variants` run left it."""

import difflib
import os
from pathlib import Path

from strive.cache.runs import RUNS
from strive.cache.store import Store
from strive.configs.errors import MissingError, UsageError
from strive.stages.bundle.format import FILE
from strive.stages.bundle.reader import Bundle


def find_bundle(store: Store, name: str) -> Bundle:
    """The bundle of `name`: a bundle file, an artefact folder, or a sample id of the last run.

    Raises `UsageError` for an id that the run did not have, `MissingError` when the bundle is no longer in the cache.
    """
    path = Path(name)
    if path.is_file():
        return Bundle.open(path)
    if (path / FILE).is_file():
        return Bundle.open(path / FILE)
    keys = last_keys(store)
    if name not in keys:
        raise unknown(name, keys)
    found = in_cache(store, keys[name])
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
    record = store.recall(f"{RUNS}/{os.path.abspath(run)}") or {}
    places = [store.find("variants", str(key)) for key in record.get("keys") or ()]
    return {Bundle.open(one.file(FILE)).sample.id: one.key for one in places if one}


def last_keys(store: Store) -> dict[str, str]:
    """Sample id → key of the bundles that the last `strive variants` run left."""
    record = store.recall("last-run/variants") or {}
    return {str(sample): str(key) for sample, key in (record.get("keys") or {}).items()}


def in_cache(store: Store, key: str) -> Bundle | None:
    """The bundle of a key, its bytes checked."""
    found = store.find("variants", key)
    return Bundle.open(found.file(FILE)) if found else None


def unknown(name: str, keys: dict[str, str]) -> UsageError:
    """The error for an id nobody knows, with the nearest ones."""
    close = difflib.get_close_matches(name, list(keys), n=3, cutoff=0.4) or list(keys)[:3]
    known = f"one of the {len(keys)} samples of the last run, such as {', '.join(close)}"
    return UsageError(f"{name}: no such sample, and no bundle file of that name",
                      known if keys else "a sample for which `strive variants` ran",
                      "Give a sample id, a bundle.h5, or --data FILE --videos DIR of another dataset.")

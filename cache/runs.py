"""Which artefacts known runs refer to: what gc must keep.

A run folder records itself (`record_run`) and counts for as long as the folder exists; the last run of each data stage
counts always. What a kept artefact was made from is kept with it.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from strive.cache import links
from strive.cache.artefact import Artefact
from strive.cache.store import Store

LAST_RUN, RUNS = "last-run", "runs"


def record_run(store: Store, folder: Path, artefacts: Iterable[Artefact],
               frames: Mapping[str, Artefact] | None = None) -> None:
    """Note that the run in `folder` reads these artefacts, so that gc keeps them while the folder exists.

    `frames`: those of each video, by its name, for whoever looks at the run later.
    """
    name = run_name(folder)
    named = {(one.key, video) for video, one in (frames or {}).items()}
    others = {one.key for one in artefacts} - {key for key, _video in named}
    store.index.remember_list(name, sorted({*named, *((key, "") for key in others)}))
    store.remember(name, {"folder": name.removeprefix(f"{RUNS}/")})


def run_name(folder: Path) -> str:
    """The name of the record of the run in `folder`."""
    return f"{RUNS}/{os.path.abspath(folder)}"


def recorded(store: Store, folder: Path) -> Iterator[tuple[str, str]]:
    """(key, video) of what the run in `folder` recorded as its own; the video is "" for all but frames."""
    record = store.recall(run_name(folder)) or {}
    frames = record.get("frames")
    named = {(str(key), str(video)) for video, key in frames.items()} if isinstance(frames, dict) else set()
    others = {str(key) for key in record.get("keys") or ()} - {key for key, _video in named}
    yield from sorted({*named, *((key, "") for key in others)})
    yield from store.index.recall_list(run_name(folder))


def last_run(store: Store, stage: str) -> Iterator[tuple[str, str]]:
    """(key, item id) of what the last run of a stage left."""
    keys = (store.recall(f"{LAST_RUN}/{stage}") or {}).get("keys")
    yield from ((str(key), str(item)) for item, key in (keys.items() if isinstance(keys, dict) else ()))
    yield from store.index.recall_list(f"{LAST_RUN}/{stage}")


def count_gone(store: Store, stage: str) -> int:
    """How many artefacts that the last run of a stage left are no longer there, by the names in the stage's folders."""
    kept = (store.recall(f"{LAST_RUN}/{stage}") or {}).get("keys")
    keys = {str(key).encode() for key in kept.values()} if isinstance(kept, dict) else set()
    keys.update(store.index.recall_keys(f"{LAST_RUN}/{stage}"))
    for shelf in {key[:2] for key in keys}:
        with suppress(OSError):
            keys.difference_update(os.listdir(os.fsencode(store.root / stage) + b"/" + shelf))
    return len(keys)


def read_by(store: Store, folder: Path) -> Iterator[str]:
    """The keys of all that the run in `folder` recorded, under whatever name."""
    place = os.path.abspath(folder)
    for name, value in store.index.records(RUNS):
        if value.get("folder") == place:
            yield from map(str, value.get("keys") or ())
            yield from (key for key, _item in store.index.recall_list(name))


def videos(store: Store) -> Iterator[tuple[str, str]]:
    """(key, video) of all frames that any run recorded by name; a video may come more than once."""
    yield from last_run(store, "extract")
    for _name, value in store.index.records(RUNS):
        yield from (row for row in recorded(store, Path(str(value.get("folder")))) if row[1])


def live_names(store: Store, without: Collection[Path] = ()) -> set[bytes]:
    """The heads (`links.head`) of all keys that last runs name, and runs whose folder is still there.

    What the runs in the folders `without` name counts only where others name it too.
    """
    dropped = {os.path.abspath(folder) for folder in without}
    found: set[bytes] = set()
    for _name, value in store.index.records(LAST_RUN):
        found |= links.names_in(value)
    for rows in store.index.lists(LAST_RUN):
        found.update(links.head(key) for key, _item in rows)
    for name, value in store.index.records(RUNS):
        if not _is_gone(value) and value.get("folder") not in dropped:
            found |= links.names_in(value)
            found.update(links.head(key) for key, _item in store.index.recall_list(name))
    return found


def forget_runs(store: Store, without: Collection[Path] = ()) -> int:
    """Drop the records of runs whose folder is gone, and of those in the folders `without`; returns how many."""
    dropped = {os.path.abspath(folder) for folder in without}
    gone = [name for name, value in store.index.records(RUNS) if _is_gone(value) or value.get("folder") in dropped]
    for name in gone:
        store.index.forget(name)
    return len(gone)


def _is_gone(value: dict[str, Any]) -> bool:
    folder = value.get("folder")
    return isinstance(folder, str) and not Path(folder).exists()

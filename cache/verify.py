"""Looks at every artefact for damage: manifests and sizes, with `deep` all bytes; drops what is damaged if asked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from strive.cache import lock, manifest, sweep
from strive.cache.artefact import Artefact
from strive.cache.catalogue import names_in
from strive.cache.store import Store
from strive.configs.errors import LockedError, MissingError, VerificationError


@dataclass(frozen=True)
class Finding:
    """What is wrong with one artefact; `is_damage` is False for one that only a newer strive can read."""

    stage: str
    key: str
    reason: str
    is_damage: bool = True

    @property
    def id(self) -> str:
        return f"{self.stage}/{self.key}"


@dataclass(frozen=True)
class Verified:
    """How much was looked at and what was found; `left`: temporary files and folders whose writers are gone."""

    artefacts: int
    size_bytes: int
    findings: tuple[Finding, ...]
    left: tuple[Path, ...] = ()

    @property
    def damage(self) -> list[Finding]:
        return [one for one in self.findings if one.is_damage]


def verify(store: Store, deep: bool = False, on_progress: Callable[[int, int, str], None] | None = None) -> Verified:
    """Check all artefacts; with `deep` every byte is read and compared with its digest."""
    total, count, size, findings = sum(1 for _ in store.places()), 0, 0, list[Finding]()
    for stage, key, place in store.places():
        count += 1
        try:
            found = manifest.read(place)
        except VerificationError as error:
            findings.append(Finding(stage, key, error.what.removeprefix(f"{place}: "), is_damage=False))
            continue
        findings += [Finding(stage, key, reason) for reason in _damage(stage, key, place, found, deep)]
        size += sum(out["bytes"] for out in found["outputs"]) if found else 0
        if on_progress:
            on_progress(count, max(count, total), f"{stage}/{key}")
    return Verified(count, size, tuple(findings), tuple(_left_behind(store)))


def repair(store: Store, findings: list[Finding]) -> list[Finding]:
    """Drop what is damaged, so that its stage makes it again; returns what could not be dropped, and why.

    Looks once more before it drops: another run may have made the artefact again.
    """
    left = []
    for stage, key in sorted({(one.stage, one.key) for one in findings if one.is_damage}):
        try:
            with lock.hold(store.lock_path(stage, key), timeout_s=0):
                if _is_damaged(store, stage, key):
                    store.drop(stage, key)
        except LockedError as error:
            left.append(Finding(stage, key, f"in use: {error.what}"))
        except MissingError as error:
            left.append(Finding(stage, key, f"could not be dropped: {error.what}"))
    return left


def _left_behind(store: Store) -> Iterator[Path]:
    """What killed writers left: opening the cache removes what this machine's did, others' is removed when old."""
    for folder in (*(store.root / stage for stage in store.stages()), store.root / "index", store.root / "locks"):
        yield from (folder / name for name in names_in(folder)
                    if name.startswith(sweep.TEMPORARY) and not sweep.is_living(folder / name))


def _is_damaged(store: Store, stage: str, key: str) -> bool:
    place = store.root / stage / key[:2] / key
    try:
        return place.exists() and any(_damage(stage, key, place, manifest.read(place), deep=True))
    except VerificationError:
        return False


def _damage(stage: str, key: str, place: Path, found: dict | None, deep: bool) -> Iterator[str]:
    if found is None:
        yield "no readable manifest: it was never completed, or it was damaged"
        return
    if (found.get("stage"), found.get("key")) != (stage, key):
        yield f"its manifest belongs to {found.get('stage')}/{found.get('key')}"
        return
    wrong_sizes = list(_wrong_sizes(place, found))
    yield from wrong_sizes
    if deep and not wrong_sizes:
        yield from Artefact(stage, key, place.parents[2], found).damage()


def _wrong_sizes(place: Path, found: dict) -> Iterator[str]:
    for output in found["outputs"]:
        try:
            size = (place / output["path"]).stat().st_size
        except OSError:
            yield f"{output['path']}: missing"
            continue
        if size != output["bytes"]:
            yield f"{output['path']}: {size} bytes, {output['bytes']} were written"

"""Verify finds every kind of damage and repairs it; gc keeps what runs refer to, what is young and what is in use."""

import json
import os
import time
from pathlib import Path

import pytest

from strive.cache import gc, runs, verify
from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.cache.lock import hold
from strive.cache.owner import me
from strive.cache.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def publish(store: Store, stage: str, number: int, before: Artefact | None = None) -> Artefact:
    inputs = [{"name": "before", "stage": before.stage, "digest": before.digest}] if before else []
    key = make_key(stage, 1, {"n": number}, {})
    return store.publish(stage, key, {"data.bin": f"{stage} {number} ".encode() * 50}, {"inputs": inputs})


def put(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def age(artefact: Artefact, days: float) -> None:
    os.utime(artefact.path, (time.time() - days * gc.DAY_S,) * 2)


def keys(garbage: list[gc.Garbage]) -> set[str]:
    return {one.key for one in garbage}


def test_an_intact_cache_has_no_findings(store: Store) -> None:
    made = [publish(store, "extract", n) for n in range(3)]
    found = verify.verify(store, deep=True)
    assert (found.artefacts, found.findings) == (3, ())
    assert found.size_bytes == sum(one.size_bytes for one in made)


def test_damage_is_named_and_a_bit_flip_needs_deep(store: Store) -> None:
    flipped, short, gone, torn, alien, newer = (publish(store, "extract", n) for n in range(6))
    data = bytearray((flipped.path / "data.bin").read_bytes())
    data[7] ^= 1
    put(flipped.path / "data.bin", bytes(data))
    put(short.path / "data.bin", b"x")
    (gone.path / "data.bin").unlink()
    put(torn.path / "manifest.json", b'{"format": 1,')
    put(alien.path / "manifest.json", (gone.path / "manifest.json").read_bytes())
    put(newer.path / "manifest.json", json.dumps({**newer.manifest, "format": 2}).encode())
    shallow = {one.key: one.reason for one in verify.verify(store).findings}
    deep = {one.key: one for one in verify.verify(store, deep=True).findings}
    assert flipped.key not in shallow and "bytes" in deep[flipped.key].reason
    assert "1 bytes, 500 were written" in shallow[short.key] and "missing" in shallow[gone.key]
    assert "manifest" in shallow[torn.key] and gone.key in shallow[alien.key]
    assert "newer strive (format 2)" in shallow[newer.key] and not deep[newer.key].is_damage


def test_repair_drops_what_is_damaged_and_nothing_else(store: Store) -> None:
    good, bad, newer = (publish(store, "extract", n) for n in range(3))
    put(bad.path / "data.bin", b"x")
    put(newer.path / "manifest.json", json.dumps({**newer.manifest, "format": 2}).encode())
    assert verify.repair(store, list(verify.verify(store).findings)) == []
    assert good.path.exists() and newer.path.exists() and not bad.path.exists()
    assert verify.verify(store, deep=True).damage == []


def test_repair_leaves_alone_what_is_being_made(store: Store) -> None:
    bad = publish(store, "extract", 0)
    put(bad.path / "data.bin", b"x")
    with hold(store.lock_path("extract", bad.key)):
        left = verify.repair(store, verify.verify(store).damage)
    assert [one.key for one in left] == [bad.key] and "in use" in left[0].reason and bad.path.exists()


def test_only_what_is_old_and_unreferenced_is_garbage(store: Store) -> None:
    old, young, last, of_run, of_gone_run = (publish(store, "extract", n) for n in range(5))
    for one in (old, last, of_run, of_gone_run):
        age(one, 2)
    store.remember("last-run/extract", {"keys": {"a.mp4": last.key}})
    run, gone = store.root.parent / "run", store.root.parent / "gone"
    run.mkdir()
    runs.record_run(store, run, [of_run])
    runs.record_run(store, gone, [of_gone_run])
    garbage = gc.find_garbage(store)
    assert keys(garbage) == {old.key, of_gone_run.key}
    assert keys(gc.find_garbage(store, older_than_days=3)) == set()
    removed = gc.collect(store, garbage)
    assert keys(removed) == keys(garbage)
    assert {one.key for one in store.entries()} == {young.key, last.key, of_run.key}
    assert len(list(store.index.records("runs"))) == 1


def test_what_a_kept_artefact_was_made_from_is_kept_with_it(store: Store) -> None:
    frames = publish(store, "extract", 0)
    scores = publish(store, "score", 0, before=frames)
    bundle = publish(store, "variants", 0, before=scores)
    other = publish(store, "variants", 1)
    for one in (frames, scores, bundle, other):
        age(one, 5)
    store.remember("last-run/variants", {"keys": {"q1": bundle.key}})
    assert keys(gc.find_garbage(store)) == {other.key}


def test_finding_an_artefact_makes_it_young(store: Store) -> None:
    made = publish(store, "extract", 0)
    age(made, 5)
    assert keys(gc.find_garbage(store)) == {made.key}
    assert store.find("extract", made.key) is not None
    assert gc.find_garbage(store) == []


def test_less_than_a_day_is_never_old_enough_and_a_time_in_the_future_is_young(store: Store) -> None:
    fresh, future = publish(store, "extract", 0), publish(store, "extract", 1)
    age(fresh, 0.9)
    age(future, -10_000)
    assert gc.find_garbage(store, older_than_days=0) == []


def test_what_is_wanted_or_made_after_the_look_stays(store: Store) -> None:
    wanted, held, free = (publish(store, "extract", n) for n in range(3))
    for one in (wanted, held, free):
        age(one, 5)
    garbage = gc.find_garbage(store)
    store.find("extract", wanted.key)
    with hold(store.lock_path("extract", held.key)):
        assert keys(gc.collect(store, garbage)) == {free.key}
    assert wanted.path.exists() and held.path.exists()


def test_an_open_reader_finishes_while_its_artefact_is_collected(store: Store) -> None:
    made = publish(store, "extract", 0)
    age(made, 5)
    with (made.path / "data.bin").open("rb") as reader:
        gc.collect(store, gc.find_garbage(store))
        assert not made.path.exists() and reader.read() == b"extract 0 " * 50


def test_incomplete_folders_go_when_old_and_those_of_a_newer_strive_stay(store: Store) -> None:
    torn, newer = publish(store, "extract", 0), publish(store, "extract", 1)
    (torn.path / "manifest.json").unlink()
    put(newer.path / "manifest.json", json.dumps({**newer.manifest, "format": 2}).encode())
    age(torn, 5)
    age(newer, 5)
    assert keys(gc.find_garbage(store)) == {torn.key}


def test_locks_of_the_dead_are_cleared_and_those_of_the_living_stay(store: Store) -> None:
    dead = store.lock_path("extract", "0" * 64)
    dead.parent.mkdir(parents=True)
    dead.write_text(json.dumps({**me().as_dict(), "start": "00000000.1"}))
    with hold(store.lock_path("extract", "1" * 64)):
        gc.collect(store, [])
        assert not dead.exists() and store.lock_path("extract", "1" * 64).exists()

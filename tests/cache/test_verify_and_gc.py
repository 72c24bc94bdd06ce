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
from strive.cache.owner import me, tag
from strive.cache.store import Store
from strive.cache.sweep import TEMPORARY


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


def test_by_size_the_oldest_go_first_until_the_cache_fits(store: Store) -> None:
    made = [publish(store, "extract", n) for n in range(6)]
    for days, one in zip((9, 3, 7, 5, 0, 8), made, strict=True):
        age(one, days)
    store.remember("last-run/extract", {})
    store.index.remember_list("last-run/extract", [(made[5].key, "kept.mp4")])
    each = gc.total_bytes(store) // 6
    assert gc.find_garbage(store, max_bytes=gc.total_bytes(store)) == []
    some = gc.find_garbage(store, max_bytes=gc.total_bytes(store) - each - 1)
    assert [one.key for one in some] == [made[0].key, made[2].key]
    all_of_them = gc.find_garbage(store, max_bytes=0)
    assert [one.key for one in all_of_them] == [made[n].key for n in (0, 2, 3, 1)]
    assert [one.key for one in gc.find_garbage(store, older_than_days=6, max_bytes=0)] == [made[0].key, made[2].key]
    assert keys(gc.collect(store, some)) == {made[0].key, made[2].key}
    assert gc.total_bytes(store) <= 4 * each + 8


def test_a_run_that_is_dropped_keeps_nothing_but_what_others_name(store: Store) -> None:
    mine, shared = publish(store, "variants", 0), publish(store, "variants", 1)
    for one in (mine, shared):
        age(one, 5)
    here, there = store.root.parent / "here", store.root.parent / "there"
    for folder, used in ((here, [mine, shared]), (there, [shared])):
        folder.mkdir()
        runs.record_run(store, folder, used)
    assert gc.find_garbage(store) == []
    garbage = gc.find_garbage(store, without=[here])
    assert keys(garbage) == {mine.key} and len(list(store.index.records("runs"))) == 2
    assert keys(gc.collect(store, garbage, without=[here])) == {mine.key}
    assert list(runs.recorded(store, here)) == [] and list(runs.recorded(store, there)) == [(shared.key, "")]


def test_the_list_of_a_last_run_keeps_its_artefacts_also_when_the_record_is_unreadable(store: Store) -> None:
    made = publish(store, "extract", 0)
    age(made, 5)
    store.remember("last-run/extract", {})
    store.index.remember_list("last-run/extract", [(made.key, "a.mp4")])
    for place in (store.root / "index" / "last-run").glob("??/*.json"):
        place.write_text("{")
    assert gc.find_garbage(store) == []


def test_artefacts_of_the_same_content_are_all_kept(store: Store) -> None:
    first, second = (store.publish("extract", make_key("extract", n, {}, {}), {"a": b"same"}, {}) for n in (1, 2))
    scores = publish(store, "score", 0, before=first)
    for one in (first, second, scores):
        age(one, 5)
    runs.record_run(store, store.root, [scores])
    assert gc.find_garbage(store) == []


def test_repair_leaves_alone_what_was_made_again_meanwhile(store: Store) -> None:
    bad = publish(store, "extract", 0)
    put(bad.path / "data.bin", b"x")
    found = verify.verify(store)
    publish(store, "extract", 0)
    assert verify.repair(store, found.damage) == [] and bad.path.exists()


def test_what_may_not_be_dropped_is_told_and_the_rest_is_dropped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a folder of another user answers, whoever runs the test."""
    mine, theirs = publish(store, "extract", 0), publish(store, "extract", 1)
    for one in (mine, theirs):
        put(one.path / "data.bin", b"x")
    rename = os.rename

    def guarded(old: Path, new: Path) -> None:
        if old == theirs.path:
            raise PermissionError(13, "Permission denied")
        rename(old, new)

    monkeypatch.setattr(os, "rename", guarded)
    left = verify.repair(store, verify.verify(store).damage)
    assert [one.key for one in left] == [theirs.key] and "no permission" in left[0].reason
    assert theirs.path.exists() and not mine.path.exists()


def test_what_writers_on_other_machines_left_is_told(store: Store) -> None:
    publish(store, "extract", 0)
    foreign = store.root / "extract" / f"{TEMPORARY}0123456789ab-1-0-aabb"
    foreign.mkdir()
    (store.root / "extract" / f"{TEMPORARY}{tag()}-aabb").mkdir()
    found = verify.verify(store)
    assert found.left == (foreign,) and found.damage == []

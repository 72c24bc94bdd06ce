"""The catalogue counts and lists what the folders hold, whatever happened to its own files."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from strive.cache import catalogue, manifest
from strive.cache.artefact import Artefact
from strive.cache.catalogue import Totals
from strive.cache.key import make_key
from strive.cache.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The manifests that are read from now on."""
    read: list[Path] = []
    real = manifest.read
    monkeypatch.setattr(manifest, "read", lambda folder: (read.append(folder), real(folder))[1])
    return read


def publish(store: Store, number: int, data: bytes = b"1" * 100, **more: bool) -> Artefact:
    return store.publish("score", make_key("score", 1, {"n": number}, {}), {"a": data}, {}, **more)


def settle(store: Store) -> None:
    """Let the shelves look as if nothing had changed for a while."""
    for shelf in (store.root / "score").glob("??"):
        os.utime(shelf, (time.time() - 60,) * 2)


def truth(store: Store) -> Totals:
    found = list(store.entries("score"))
    with_manifests = sum(one.size_bytes + (one.path / "manifest.json").stat().st_size for one in found)
    return Totals(len(found), sum(one.size_bytes for one in found), with_manifests)


def test_what_is_published_is_counted_and_listed_without_reading_manifests(store: Store, reads: list[Path]) -> None:
    made = [publish(store, n) for n in range(20)]
    made += store.publish_many("score", [(make_key("score", 2, {"n": n}, {}), {"a": b"12"}, {}) for n in range(20)])
    reads.clear()
    entries = list(Store(store.root).catalogue.entries("score"))
    assert [(one.key, one.digest, one.size_bytes) for one in entries] == [
        (one.key, one.digest, one.size_bytes) for one in sorted(made, key=lambda one: one.key)]
    assert all(one.created.endswith("Z") for one in entries)
    sums = Store(store.root).catalogue.totals("score")
    assert reads == [] and sums == truth(store) and store.totals("score") == (40, 2040)


def test_a_settled_cache_is_counted_without_listing_its_folders(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(20):
        publish(store, n)
    settle(store)
    expected, listed, real = store.catalogue.totals("score"), [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: (listed.append(Path(path)), real(path))[1])
    assert store.catalogue.totals("score") == expected
    assert listed == [store.root / "score"]


def lose(store: Store) -> None:
    shutil.rmtree(store.root / "index")


def tear(store: Store) -> None:
    for place in (store.root / "index" / "catalogue" / "score").glob("*.txt"):
        place.write_bytes(place.read_bytes()[:-30])


def foul(store: Store) -> None:
    for place in (store.root / "index" / "catalogue" / "score").glob("*.txt"):
        place.write_bytes(b"\xff\0 not a line\n" + b"0" * 64 + b" 1 2 3\n")


def block(store: Store) -> None:
    lose(store)
    (store.root / "index").write_bytes(b"a file where the folder should be")


@pytest.mark.parametrize("harm", [lose, tear, foul, block])
def test_a_catalogue_that_is_lost_or_damaged_gives_the_same_answers(
    store: Store, harm: Callable[[Store], None]
) -> None:
    for n in range(20):
        publish(store, n)
    settle(store)
    before = (store.catalogue.totals("score"), list(store.catalogue.entries("score")))
    harm(store)
    again = Store(store.root).catalogue
    assert (again.totals("score"), list(again.entries("score"))) == before


def test_a_lost_catalogue_is_made_anew_once(store: Store, reads: list[Path]) -> None:
    for n in range(20):
        publish(store, n)
    settle(store)
    lose(store)
    reads.clear()
    store.catalogue.totals("score")
    assert len(reads) == 20
    store.catalogue.totals("score")
    list(store.catalogue.entries("score"))
    assert len(reads) == 20


def test_what_is_added_removed_or_replaced_behind_its_back_is_noticed(store: Store, tmp_path: Path) -> None:
    for n in range(10):
        publish(store, n)
    settle(store)
    assert store.catalogue.totals("score") == truth(store)
    first, second, *_rest = store.entries("score")
    shutil.rmtree(first.path)
    assert store.catalogue.totals("score") == truth(store) and store.totals("score")[0] == 9
    other = Store(tmp_path / "other")
    brought = publish(other, 99)
    target = store.root / brought.path.relative_to(other.root)
    target.parent.mkdir(exist_ok=True)
    shutil.copytree(brought.path, target)
    assert store.catalogue.totals("score") == truth(store) and store.totals("score")[0] == 10
    settle(store)
    store.catalogue.totals("score")
    store.publish("score", second.key, {"a": b"longer" * 99}, {}, replace=True)
    assert store.catalogue.totals("score") == truth(store)
    store.drop("score", second.key)
    assert second.key not in [one.key for one in store.catalogue.entries("score")]


def test_a_change_within_the_clocks_grain_is_noticed(store: Store) -> None:
    made = publish(store, 0)
    shelf = made.path.parent
    now = shelf.stat().st_mtime_ns
    assert store.totals("score")[0] == 1
    shutil.rmtree(made.path)
    os.utime(shelf, ns=(now, now))
    assert store.totals("score")[0] == 0


def test_a_folder_without_a_readable_manifest_counts_and_is_looked_at_again(store: Store) -> None:
    made = publish(store, 0)
    place = made.path / "manifest.json"
    text = place.read_bytes()
    lose(store)
    place.chmod(0o644)
    place.write_bytes(b"{")
    settle(store)
    assert store.catalogue.totals("score") == Totals(1, 101, 101)
    assert [one.digest for one in store.catalogue.entries("score")] == [None]
    place.write_bytes(text)
    assert store.catalogue.totals("score") == truth(store)
    assert [one.digest for one in store.catalogue.entries("score")] == [made.digest]


def test_a_publish_succeeds_where_its_line_cannot_be_written(store: Store) -> None:
    block_place = store.root / "index"
    block_place.parent.mkdir(parents=True)
    block_place.write_bytes(b"")
    assert publish(store, 0).damage() == [] and store.totals("score") == (1, 100)


def test_lines_of_what_is_gone_do_not_pile_up(store: Store) -> None:
    for n in range(40):
        publish(store, 0, data=b"x" * n, replace=True)
    place = next((store.root / "index" / "catalogue" / "score").glob("*.txt"))
    assert len(place.read_text().splitlines()) == 40
    assert [one.size_bytes for one in store.catalogue.entries("score")] == [39]
    assert publish(store, 0, data=b"y", replace=True).size_bytes == 1
    assert [one.size_bytes for one in store.catalogue.entries("score")] == [1]
    assert len(place.read_text().splitlines()) <= 2


def test_no_folder_holds_many_entries_however_many_artefacts_there_are() -> None:
    shelves: dict[str, int] = {}
    for n in range(100_000):
        shelf = make_key("score", 1, {"n": n}, {})[:2]
        shelves[shelf] = shelves.get(shelf, 0) + 1
    assert len(shelves) == 256 and max(shelves.values()) < 600
    assert catalogue.Catalogue(Path("/c"))._file("score", "ab") == Path("/c/index/catalogue/score/ab.txt")

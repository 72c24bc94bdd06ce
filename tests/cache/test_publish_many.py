"""Artefacts that are published together hold what each published alone holds: whole or absent, never another's."""

import errno
import os
import sys
from pathlib import Path

import pytest

from strive.cache import flush
from strive.cache.key import make_key
from strive.cache.store import Artefact, Store
from strive.configs.errors import MissingError

KEYS = [make_key("score", 1, {"n": n}, {}) for n in range(40)]
Entries = list[tuple[str, dict[str, bytes | Path], dict[str, object]]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def entries(text: str = "scores of", keys: list[str] = KEYS) -> Entries:
    return [(key, {"scores.h5": f"{text} {key}".encode(), "sub/more": b""}, {"meta": {"n": n}, "version": 1})
            for n, key in enumerate(keys)]


def test_they_are_those_that_publish_makes_one_by_one(store: Store, tmp_path: Path) -> None:
    together, alone = store.publish_many("score", entries()), Store(tmp_path / "other")
    for n, (key, files, provenance) in enumerate(entries()):
        single = alone.publish("score", key, files, provenance)
        assert together[n].key == key and together[n].digest == single.digest
        assert {**together[n].manifest, "created": ""} == {**single.manifest, "created": ""}
    again = [store.find("score", key) for key in KEYS]
    assert again == together and all(one is not None and one.damage() == [] for one in again)
    assert not [name for name in os.listdir(store.root / "score") if len(name) != 2]


def test_what_is_there_and_intact_is_kept_and_what_is_damaged_is_made_again(store: Store) -> None:
    first = store.publish_many("score", entries())
    place = first[3].path / "scores.h5"
    place.chmod(0o644)
    place.write_bytes(b"damaged" + place.read_bytes()[7:])
    inode = (first[4].path / "scores.h5").stat().st_ino
    second = store.publish_many("score", entries("SCORES OF"))
    assert second[3].read("scores.h5").startswith(b"SCORES") and second[4].read("scores.h5").startswith(b"scores")
    assert (second[4].path / "scores.h5").stat().st_ino == inode
    third = store.publish_many("score", entries("SCORES OF"), replace=True)
    assert all(one.read("scores.h5").startswith(b"SCORES") for one in third)


def test_a_key_that_is_given_twice_is_made_once(store: Store) -> None:
    twice = store.publish_many("score", entries(keys=[KEYS[0], KEYS[1], KEYS[0]]))
    assert [one.key for one in twice] == [KEYS[0], KEYS[1], KEYS[0]] and twice[0] == twice[2]
    assert store.publish_many("score", []) == []


def test_files_may_be_streamed_from_disk(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(b"x" * (9 << 20))
    made = store.publish_many("fetch", [(KEYS[0], {"video": source}, {})])[0]
    assert made.size_bytes == 9 << 20 and made.damage() == [] and source.exists()


def test_one_bad_name_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(ValueError):
        store.publish_many("score", [*entries(), (KEYS[0][::-1], {"../x": b""}, {})])
    assert list(store.entries()) == [] and os.listdir(store.root / "score") == []


def test_a_disk_without_room_is_refused_before_anything_is_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strive.cache.disk.free_bytes", lambda path: 100)
    with pytest.raises(MissingError, match="100 bytes free"):
        store.publish_many("score", entries())
    assert not store.root.exists()


@pytest.mark.parametrize("whole", [True, False], ids=["one call for the file system", "file by file"])
def test_everything_is_on_disk_before_the_first_rename_and_the_renames_before_the_return(
    store: Store, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """What a power cut keeps is what was synced: so the order of syncs and renames is the promise."""
    done: list[str] = []
    sync, rename = os.fsync, os.rename

    def watched_sync(fd: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{fd}"))
        sync(fd)

    def watched_rename(old: Path, new: Path) -> None:
        done.append(f"rename {new}")
        rename(old, new)

    def all_of_it(fd: int) -> int:
        done.append("all")
        return 0

    monkeypatch.setattr(flush, "_syncfs", lambda: all_of_it if whole else None)
    monkeypatch.setattr("strive.cache.disk.file_system", lambda path: "ext4")
    store.require_space(0)
    (store.root / "score").mkdir()
    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(os, "rename", watched_rename)
    store.publish_many("score", entries(keys=KEYS[:3]))
    renames = [n for n, step in enumerate(done) if step.startswith("rename")]
    assert len(renames) == 3
    if whole:
        assert [step for step in done if not step.startswith("rename")] == ["all", "all"] and renames == [1, 2, 3]
        return
    before, after = done[:renames[0]], done[renames[-1] + 1:]
    for n in range(3):
        for name in ("scores.h5", "manifest.json", "sub/more", "sub", ""):
            assert sum(f"{one}/".endswith(f"/{n}/{name}/".replace("//", "/")) for one in before) == 1, (n, name)
    assert {os.path.basename(one) for one in after} == {key[:2] for key in KEYS[:3]}


@pytest.mark.skipif(sys.platform != "linux", reason="syncfs is a call of Linux")
def test_a_disk_that_cannot_write_everything_out_is_an_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctypes

    def fails(fd: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    monkeypatch.setattr(flush, "_syncfs", lambda: fails)
    monkeypatch.setattr("strive.cache.disk.file_system", lambda path: "ext4")
    with pytest.raises(MissingError, match="input/output error"):
        store.publish_many("score", entries())
    assert list(store.entries()) == []


def test_a_light_artefact_is_small_and_reads_its_manifest_again(store: Store) -> None:
    made = store.publish("score", KEYS[0], {"scores.h5": b"1" * 6000}, {"meta": {"text": "long" * 500}})
    digest, light = made.digest, made.light()
    assert light._manifest is None and light.meta == {"text": "long" * 500} and light.manifest["stage"] == "score"
    assert (light.digest, light.names, light.size_bytes) == (digest, ["scores.h5"], 6000)
    assert own_bytes(light) <= 400 and not hasattr(light, "__dict__")
    assert light == store.find("score", KEYS[0]) and len({light, store.find("score", KEYS[0])}) == 1


def own_bytes(one: Artefact) -> int:
    """What one costs beside what all share (the cache folder and the stage's name); 16 for the garbage collector."""
    parts = (getattr(one, name) for name in one.__slots__ if name not in ("root", "stage"))
    return sys.getsizeof(one) + 16 + sum(sys.getsizeof(part) for part in parts if part is not None)

"""An artefact is found only when it is whole, read only when its bytes are right, and never by a name from outside."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.cache.store import Store, default_root
from strive.configs.errors import VerificationError

KEY = make_key("variants", 1, {"count": 4}, {"sample": "sha256:0"})
OTHER = make_key("variants", 1, {"count": 1}, {"sample": "sha256:0"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def publish(store: Store, key: str = KEY, data: bytes = b"bundle bytes" * 100) -> Artefact:
    return store.publish("variants", key, {"bundle.h5": data}, {
        "version": 3, "config": {"count": 4}, "seed": 7, "inputs": [{"name": "video", "digest": "sha256:0"}],
        "warnings": ["short video"], "meta": {"variants": 4}, "seconds": 1.5,
    })


def put(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_what_is_published_is_found_with_its_meta(store: Store) -> None:
    made = publish(store)
    found = store.find("variants", KEY)
    assert found == made and found.read("bundle.h5") == b"bundle bytes" * 100
    assert found.meta == {"variants": 4} and found.digest == made.digest
    assert found.path == store.root / "variants" / KEY[:2] / KEY
    assert store.find("variants", OTHER) is None


def test_the_manifest_says_where_it_came_from_and_names_no_absolute_path(store: Store) -> None:
    manifest = publish(store).manifest
    assert (manifest["format"], manifest["stage"], manifest["key"], manifest["seed"]) == (1, "variants", KEY, 7)
    assert manifest["code"]["stage_version"] == 3 and manifest["code"]["strive"]
    assert manifest["libs"]["python"] and manifest["host"]["os"] and manifest["created"].endswith("Z")
    assert manifest["seconds"] == 1.5 and manifest["warnings"] == ["short video"]
    assert str(store.root) not in json.dumps(manifest) and str(Path.home()) not in json.dumps(manifest)


def test_the_content_digest_follows_the_bytes_and_not_the_key(store: Store) -> None:
    assert publish(store).digest == publish(store, OTHER).digest
    third = publish(store, make_key("variants", 2, {}, {}), b"other bytes")
    assert third.digest != publish(store).digest


def test_publishing_again_keeps_an_intact_artefact_and_remakes_a_damaged_one(store: Store) -> None:
    made = publish(store)
    inode = (made.path / "bundle.h5").stat().st_ino
    publish(store, data=b"never written")
    assert (made.path / "bundle.h5").stat().st_ino == inode
    put(made.path / "bundle.h5", b"flipped bytes" * 100)
    assert publish(store).read("bundle.h5") == b"bundle bytes" * 100
    assert store.publish("variants", KEY, {"bundle.h5": b"new"}, {}, replace=True).read("bundle.h5") == b"new"


@pytest.mark.parametrize("text", [
    "", "{", '{"format": 1}', "[]", "null", '{"format": 1, "outputs": 3}', "[" * 100_000,
    '{"format": 1, "outputs": [{"path": "../../../../etc/passwd", "bytes": 1, "digest": "sha256:0"}]}',
])
def test_a_torn_or_foreign_manifest_means_absent(store: Store, text: str) -> None:
    made = publish(store)
    put(made.path / "manifest.json", text.encode())
    assert store.find("variants", KEY) is None
    assert publish(store).damage() == []


def test_a_missing_manifest_or_file_or_a_wrong_size_means_absent(store: Store) -> None:
    for name, data in (("manifest.json", None), ("bundle.h5", None), ("bundle.h5", b"short"), ("bundle.h5", b"")):
        made = publish(store)
        if data is None:
            (made.path / name).unlink()
        else:
            put(made.path / name, data)
        assert store.find("variants", KEY) is None
    assert publish(store).damage() == []


def test_an_artefact_under_another_key_or_stage_is_not_trusted(store: Store) -> None:
    made = publish(store)
    for place in (store.root / "variants" / OTHER[:2] / OTHER, store.root / "score" / KEY[:2] / KEY):
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", str(made.path), str(place)], check=True)
    assert store.find("variants", OTHER) is None and store.find("score", KEY) is None


def test_what_a_newer_strive_made_is_named_and_never_guessed_or_overwritten(store: Store) -> None:
    made = publish(store)
    newer = json.dumps({**made.manifest, "format": 2}).encode()
    put(made.path / "manifest.json", newer)
    for attempt in (lambda: store.find("variants", KEY), lambda: publish(store)):
        with pytest.raises(VerificationError, match=r"made by a newer strive \(format 2\)"):
            attempt()
    assert (made.path / "manifest.json").read_bytes() == newer


def test_each_of_200_flipped_bits_is_detected_before_use(store: Store) -> None:
    data = random.Random(0).randbytes(5000)
    made = publish(store, data=data)
    draw = random.Random(1)
    for n in range(200):
        bit = draw.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        put(made.path / "bundle.h5", bytes(flipped))
        found = store.find("variants", KEY)
        assert found is not None
        with pytest.raises(VerificationError, match="strive cache verify"):
            found.read("bundle.h5") if n % 2 else found.file("bundle.h5")


def test_a_file_is_hashed_once_while_it_does_not_change(store: Store) -> None:
    made = publish(store)
    place = made.file("bundle.h5")
    stat = place.stat()
    put(place, b"changed bytes" * 100)
    os.truncate(place, stat.st_size)
    with pytest.raises(VerificationError):
        made.file("bundle.h5")


def test_a_read_only_mode_is_no_proof(store: Store) -> None:
    made = publish(store)
    put(made.path / "bundle.h5", b"bundle bytez" * 100)
    (made.path / "bundle.h5").chmod(0o444)
    with pytest.raises(VerificationError):
        made.read("bundle.h5")


def test_asking_for_a_file_that_the_manifest_does_not_list_is_refused(store: Store) -> None:
    made = publish(store)
    (store.root / "secret").write_bytes(b"x")
    for name in ("none.h5", "../../../secret", "/etc/hostname", "manifest.json"):
        with pytest.raises(VerificationError):
            made.read(name)


@pytest.mark.parametrize("key", ["../../x", "", "A" * 64, "0" * 63, "0" * 64 + "\n", "sha256:" + "0" * 64])
def test_an_id_never_becomes_a_path(store: Store, key: str) -> None:
    for attempt in (lambda: store.find("variants", key), lambda: store.publish("variants", key, {}, {}),
                    lambda: store.drop("variants", key), lambda: store.lock_path("variants", key)):
        with pytest.raises(ValueError):
            attempt()
    for stage in ("../x", "index", "locks", "/etc"):
        with pytest.raises(ValueError):
            store.find(stage, KEY)


def test_dropping_lets_open_readers_finish(store: Store) -> None:
    made = publish(store)
    with (made.path / "bundle.h5").open("rb") as reader:
        store.drop("variants", KEY)
        assert reader.read() == b"bundle bytes" * 100
    assert store.find("variants", KEY) is None
    store.drop("variants", KEY)


def test_entries_are_the_complete_artefacts(store: Store) -> None:
    publish(store)
    broken = publish(store, OTHER)
    store.publish("score", OTHER, {"score.h5": b"1"}, {})
    (broken.path / "manifest.json").unlink()
    assert [(one.stage, one.key) for one in store.entries()] == [("score", OTHER), ("variants", KEY)]
    assert [one.stage for one in store.entries("score")] == ["score"]
    assert len(list(store.places())) == 3


def test_a_cache_behind_a_symbolic_link_or_moved_works(store: Store, tmp_path: Path) -> None:
    publish(store)
    (tmp_path / "link").symlink_to(store.root)
    assert Store(tmp_path / "link").find("variants", KEY) is not None
    store.root.rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved").find("variants", KEY)
    assert moved is not None and moved.damage() == []


def test_the_root_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIVE_CACHE_DIR", "/some/where")
    assert default_root() == Path("/some/where")
    monkeypatch.delenv("STRIVE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_root() == Path("/xdg/strive")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/u")
    assert default_root() == Path("/home/u/.cache/strive")


def test_opening_a_store_makes_nothing_and_imports_only_the_standard_library(tmp_path: Path) -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom pathlib import Path\nfrom strive.cache.store import Store\n"
        "Store(Path(sys.argv[1]))\n"
        "tops = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "sys.exit(str(sorted(tops - set(sys.stdlib_module_names) - {'strive'}) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "none")], capture_output=True, text=True)
    assert done.stderr.strip() == "" and not (tmp_path / "none").exists()

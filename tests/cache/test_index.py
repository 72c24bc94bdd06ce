"""Small records come back as they were kept; a file's digest is remembered until the file changes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strive.cache import digest, index
from strive.cache.store import Store
from strive.configs.errors import ItemError, MissingError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def aged(path: Path, data: bytes) -> Path:
    """A file that looks an hour old, but for its change time, which nobody can set."""
    path.write_bytes(data)
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def test_records_come_back_and_are_listed_by_group(store: Store) -> None:
    store.remember("last-run/extract", {"done": 3})
    store.remember("last-run/score", {"done": 4})
    store.remember("runs/a b/../c", {"keys": []})
    assert store.recall("last-run/extract") == {"done": 3}
    assert store.recall("last-run/train") is None
    assert dict(store.index.records("last-run")) == {"last-run/extract": {"done": 3}, "last-run/score": {"done": 4}}
    store.index.forget("last-run/extract")
    assert store.recall("last-run/extract") is None


def test_a_record_name_never_becomes_a_path(store: Store) -> None:
    store.remember("runs/../../../../outside", {"a": 1})
    assert store.recall("runs/../../../../outside") == {"a": 1}
    assert [path.name for path in store.root.iterdir()] == ["index"]
    for name in ("../x", "/x", "", "A b/c"):
        with pytest.raises(ValueError):
            store.remember(name, {})


def test_a_torn_record_counts_as_none(store: Store) -> None:
    store.remember("runs/a", {"a": 1})
    place = next((store.root / "index" / "runs").glob("??/*.json"))
    for text in ("", "{", "[]", '{"name": "runs/b", "value": {}}', '{"name": "runs/a", "value": 3}', "[" * 100_000):
        place.write_text(text)
        assert store.recall("runs/a") is None


def test_a_list_comes_back_in_its_order_read_as_it_is_asked_for(store: Store) -> None:
    rows = [(f"{n:064x}", name) for n, name in enumerate(["a", "é\n", "", '"', "x y", os.fsdecode(b"\xff")] * 400)]
    store.index.remember_list("last-run/extract", iter(rows))
    back = store.index.recall_list("last-run/extract")
    assert next(back) == rows[0] and list(back) == rows[1:]
    assert list(store.index.recall_keys("last-run/extract")) == [key.encode() for key, _name in rows]
    assert list(store.index.recall_list("last-run/score")) == [] == list(store.index.recall_keys("last-run/score"))
    assert [list(one) for one in store.index.lists("last-run")] == [rows]
    assert list(store.index.records("last-run")) == []
    store.index.forget("last-run/extract")
    assert list(store.index.recall_list("last-run/extract")) == []


def test_a_list_whose_maker_fails_leaves_the_old_one(store: Store) -> None:
    store.index.remember_list("last-run/extract", [("0" * 64, "old")])

    def broken() -> Iterator[tuple[str, str]]:
        yield "1" * 64, "new"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.index.remember_list("last-run/extract", broken())
    with pytest.raises(ValueError):
        store.index.remember_list("last-run/extract", [("../x", "new")])
    assert list(store.index.recall_list("last-run/extract")) == [("0" * 64, "old")]


def test_damaged_lines_of_a_list_are_left_out(store: Store) -> None:
    store.index.remember_list("last-run/extract", [("0" * 64, "a")])
    place = next((store.root / "index" / "last-run").glob("??/*.list"))
    place.write_bytes(b"\xff\n\n" + b"1" * 64 + b" [1]\n" + b"2" * 64 + b' "b"\n' + b"3" * 64 + b' "torn')
    assert list(store.index.recall_list("last-run/extract")) == [("2" * 64, "b")]


def test_a_digest_is_remembered_and_follows_the_bytes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = aged(tmp_path / "a.mp4", b"one")
    monkeypatch.setattr(index, "_RACY_S", -1.0)
    read: list[Path] = []
    real = digest.digest_file
    monkeypatch.setattr(index, "digest_file", lambda path: (read.append(path), real(path))[1])
    assert store.video_digest(video) == store.video_digest(video) == digest.digest_bytes(b"one")
    assert len(read) == 1
    aged(video, b"two")
    assert store.video_digest(video) == digest.digest_bytes(b"two")
    assert len(read) == 2


def test_an_edit_that_keeps_size_and_modification_time_is_noticed(store: Store, tmp_path: Path) -> None:
    video = aged(tmp_path / "a.mp4", b"one")
    times = (video.stat().st_atime_ns, video.stat().st_mtime_ns)
    store.video_digest(video)
    video.write_bytes(b"two")
    os.utime(video, ns=times)
    assert store.video_digest(video) == digest.digest_bytes(b"two")


def test_a_modification_time_in_the_future_changes_nothing(store: Store, tmp_path: Path) -> None:
    video = aged(tmp_path / "a.mp4", b"one")
    before = store.video_digest(video)
    os.utime(video, (time.time() + 10**8,) * 2)
    assert store.video_digest(video) == store.video_digest(video) == before


def test_the_last_digest_is_used_when_the_file_is_gone(store: Store, tmp_path: Path) -> None:
    video = aged(tmp_path / "a.mp4", b"one")
    before = store.video_digest(video)
    video.unlink()
    assert store.video_digest(video) == before
    with pytest.raises(MissingError, match=r"never\.mp4"):
        store.video_digest(tmp_path / "never.mp4")


def test_same_bytes_under_two_names_have_one_digest(store: Store, tmp_path: Path) -> None:
    names = ["a.b.mp4", "a.c.mp4", "-dash é\n\U0001f600.mp4", os.fsdecode(b"\xff.mp4"), "x" * 251 + ".mp4"]
    assert len({store.video_digest(aged(tmp_path / name, b"same")) for name in names}) == 1


def test_what_is_not_a_file_fails_at_once_with_its_kind(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ItemError, match="a pipe"):
        store.video_digest(tmp_path / "pipe")
    with pytest.raises(ItemError, match="a directory"):
        store.video_digest(tmp_path / "folder")
    with pytest.raises(MissingError):
        store.video_digest(tmp_path / "broken")


def test_a_file_that_changes_while_it_is_read_is_read_once_more(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, changes, real = aged(tmp_path / "a.mp4", b"start"), [1], digest.digest_file

    def read_while_written(path: Path) -> str:
        found = real(path)
        if changes[0] > 0:
            changes[0] -= 1
            with path.open("ab") as writer:
                writer.write(b"more")
        return found

    monkeypatch.setattr(index, "digest_file", read_while_written)
    assert store.video_digest(video) == digest.digest_bytes(b"startmore")
    changes[0] = 100
    with pytest.raises(ItemError, match="changed while it was read"):
        store.video_digest(aged(tmp_path / "b.mp4", b"start"))


def test_a_folder_digest_equals_the_plain_one(store: Store, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    aged(tmp_path / "m" / "w.safetensors", b"1")
    assert store.folder_digest(tmp_path / "m") == digest.digest_folder(tmp_path / "m")

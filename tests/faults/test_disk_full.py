"""A full, read-only or forbidden disk ends in exit 5 with path and figures, and nothing half-written."""

import errno
import functools
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strive.cache import atomic
from strive.cache.key import make_key
from strive.cache.store import Store
from strive.configs.errors import MissingError

KEY = make_key("extract", 1, {}, {})
ROOT = os.geteuid() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    if not ROOT:
        pytest.skip("mounting a small file system needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS"])
def test_a_disk_that_refuses_at_any_write_point_ends_in_exit_5(
    tmp_path: Path, in_child: Callable[..., int], name: str
) -> None:
    for n in itertools.count(1):
        root = tmp_path / str(n)
        publish = functools.partial(Store(root).publish, "extract", KEY, {"a": b"x" * 999}, {})
        code = in_child(publish, f"write:{n}:{name}")
        found = Store(root).find("extract", KEY)
        assert found is None or found.damage() == []
        assert not [path for path in root.rglob("*") if path.name.startswith(".tmp-")]
        if code == 0:
            break
        assert code == 5
    assert n > 10


def test_an_input_output_error_keeps_the_old_file(tmp_path: Path, in_child: Callable[..., int]) -> None:
    target = tmp_path / "a.json"
    atomic.write_json(target, "old")
    for n in itertools.count(1):
        code = in_child(lambda: atomic.write_json(target, "new"), f"write:{n}:EIO")
        assert os.listdir(tmp_path) == ["a.json"]
        if code == 0:
            break
        assert code == errno.EIO and target.read_bytes() in (b'"old"\n', b'"new"\n')
    assert target.read_bytes() == b'"new"\n'


def test_a_real_full_disk_names_path_needed_and_free_bytes(small_disk: Path) -> None:
    store = Store(small_disk / "cache")
    with pytest.raises(MissingError) as caught:
        store.publish("extract", KEY, {"frames.h5": b"x" * (3 << 20)}, {})
    assert str(small_disk) in caught.value.what
    assert "3145728 bytes needed" in caught.value.what and "bytes free" in caught.value.what
    assert caught.value.code == 5
    assert store.find("extract", KEY) is None


def test_a_disk_that_fills_while_writing_leaves_nothing_and_the_same_command_works_later(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (1 << 20))
    target = small_disk / "out" / "weights"
    with pytest.raises(MissingError):
        atomic.publish_folder(target, {"a": b"x" * (800 << 10), "b": b"y" * (800 << 10)}, {})
    assert os.listdir(target.parent) == []
    ballast.unlink()
    atomic.publish_folder(target, {"a": b"x" * (800 << 10), "b": b"y" * (800 << 10)}, {})
    assert sorted(os.listdir(target)) == ["a", "b", "manifest.json"]


def test_a_ledger_on_a_full_disk_keeps_whole_lines_only(small_disk: Path) -> None:
    ledger = small_disk / "metrics.jsonl"
    with pytest.raises(MissingError):
        for i in range(1000):
            atomic.append_line(ledger, f'{{"i": {i}, "pad": "{"x" * 9000}"}}')
    rows = atomic.read_jsonl(ledger)
    assert len(rows) > 100 and [row["i"] for row in rows] == list(range(len(rows)))


def test_space_is_asked_for_before_work(small_disk: Path) -> None:
    store = Store(small_disk / "cache")
    store.require_space(1 << 20)
    with pytest.raises(MissingError, match="4194304 bytes needed"):
        store.require_space(4 << 20)


def test_a_read_only_cache_is_refused_before_work_and_can_still_be_read(small_disk: Path) -> None:
    root = small_disk / "cache"
    made = Store(root).publish("extract", KEY, {"a": b"1"}, {})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = Store(root)
    assert store.find("extract", KEY) == made and made.read("a") == b"1"
    for attempt in (lambda: store.require_space(1), lambda: store.claim("extract", KEY).__enter__(),
                    lambda: store.publish("extract", "0" * 64, {"a": b""}, {}), lambda: store.remember("runs/a", {})):
        with pytest.raises(MissingError, match="read-only"):
            attempt()


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_forbidden_folder_names_path_and_user(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o555)
    with pytest.raises(MissingError, match=f"no permission for user {os.getuid()}"):
        Store(tmp_path / "shut" / "cache").require_space(1)


@pytest.mark.skipif(not ROOT, reason="needs root to become another user")
def test_a_folder_of_another_user_names_path_and_user(tmp_path: Path, in_child: Callable[..., int]) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o755)
    said = tmp_path / "said"
    said.touch(mode=0o666)
    said.chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)

    def attempt() -> None:
        os.setuid(65534)
        try:
            Store(shut / "cache").require_space(1)
        except MissingError as error:
            said.write_text(error.what)
            raise

    assert in_child(attempt) == 5
    assert f"{shut}" in said.read_text() and "no permission for user 65534" in said.read_text()

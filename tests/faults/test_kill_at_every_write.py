"""Killed at any write point, a target is the old bytes or the new bytes, and the next run leaves no trace of it."""

import functools
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from strive.cache import atomic, sweep
from strive.cache.key import make_key
from strive.cache.store import Store

KILLED = -signal.SIGKILL
KEY = make_key("extract", 1, {"fps": 1.0}, {"video": "sha256:0"})
FILES = {"frames.h5": bytes(range(256)) * 40, "more/notes.json": b"{}"}


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.startswith(sweep.TEMPORARY)]


def publish(root: Path, **more: bool) -> None:
    store = Store(root)
    with store.claim("extract", KEY):
        store.publish("extract", KEY, FILES, {"version": 1}, **more)


@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_a_file_is_old_or_new_at_every_write_point(tmp_path: Path, in_child: Callable[..., int], kind: str) -> None:
    target = tmp_path / "folder" / "value.json"
    atomic.write_json(target, {"value": "old"})
    old, new = target.read_bytes(), atomic.json_bytes({"value": "new" * 1000})
    seen = set()
    for n in itertools.count(1):
        code = in_child(lambda: atomic.write_json(target, {"value": "new" * 1000}), f"write:{n}:{kind}")
        assert target.read_bytes() in (old, new)
        seen.add(target.read_bytes() == new)
        if code == 0:
            break
        assert code == KILLED
        atomic.write_bytes(target, old)
    assert n > 5 and seen == {False, True}
    sweep.sweep(target.parent)
    assert os.listdir(target.parent) == ["value.json"]


@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_an_artefact_is_absent_or_complete_at_every_write_point(
    tmp_path: Path, in_child: Callable[..., int], kind: str
) -> None:
    for n in itertools.count(1):
        root = tmp_path / f"cache-{n}"
        code = in_child(lambda root=root: publish(root), f"write:{n}:{kind}")
        found = Store(root).find("extract", KEY)
        assert found is None or {name: found.read(name) for name in found.names} == FILES
        assert leftovers(root) == []
        if code == 0:
            break
        assert code == KILLED
        assert in_child(lambda root=root: publish(root)) == 0
        again = Store(root).find("extract", KEY)
        assert again is not None and again.damage() == []
        assert leftovers(root) == []
    assert n > 12 and found is not None


def test_replacing_an_artefact_never_leaves_a_broken_one(tmp_path: Path, in_child: Callable[..., int]) -> None:
    for n in itertools.count(1):
        publish(tmp_path)
        code = in_child(lambda: publish(tmp_path, replace=True), f"write:{n}:kill")
        found = Store(tmp_path).find("extract", KEY)
        assert found is None or found.damage() == []
        if code == 0:
            break
    assert leftovers(tmp_path) == []


def test_replacing_a_folder_keeps_the_old_one_until_the_new_one_is_complete(
    tmp_path: Path, in_child: Callable[..., int]
) -> None:
    target, states = tmp_path / "policy", []
    for n in itertools.count(1):
        atomic.publish_folder(target, {"model": b"old"}, {}, replace=True)
        new = {"model": b"new", "processor": b"p"}
        code = in_child(functools.partial(atomic.publish_folder, target, new, {}, replace=True), f"write:{n}:kill")
        states.append((target / "model").read_bytes() if target.exists() else b"none")
        if code == 0:
            break
    changed = states.index(next(state for state in states if state != b"old"))
    assert set(states[:changed]) == {b"old"} and changed > 8
    assert states.count(b"none") <= 2 and states[-1] == b"new"


@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_of_artefacts_published_together_each_is_absent_or_complete_at_every_write_point(
    tmp_path: Path, in_child: Callable[..., int], kind: str
) -> None:
    keys = [make_key("score", 1, {"n": n}, {}) for n in range(3)]
    entries = [(key, FILES, {"version": 1}) for key in keys]
    counts = set()
    for n in itertools.count(1):
        root = tmp_path / f"cache-{n}"
        code = in_child(lambda root=root: Store(root).publish_many("score", entries), f"write:{n}:{kind}")
        found = [Store(root).find("score", key) for key in keys]
        assert all(one is None or one.damage() == [] for one in found)
        assert leftovers(root) == []
        counts.add(sum(one is not None for one in found))
        if code == 0:
            break
        assert code == KILLED
        assert in_child(lambda root=root: Store(root).publish_many("score", entries)) == 0
        assert all(one.damage() == [] for one in Store(root).entries("score"))
        assert len(list(Store(root).entries("score"))) == 3 and leftovers(root) == []
    assert n > 20 and counts == {0, 1, 2, 3}


def test_replacing_artefacts_together_never_leaves_a_broken_one(tmp_path: Path, in_child: Callable[..., int]) -> None:
    keys = [make_key("score", 1, {"n": n}, {}) for n in range(2)]
    entries = [(key, FILES, {"version": 1}) for key in keys]
    for n in itertools.count(1):
        Store(tmp_path).publish_many("score", entries)
        code = in_child(lambda: Store(tmp_path).publish_many("score", entries, replace=True), f"write:{n}:kill")
        assert all(one is None or one.damage() == [] for one in (Store(tmp_path).find("score", key) for key in keys))
        if code == 0:
            break
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_a_ledger_loses_at_most_the_line_in_progress(tmp_path: Path, in_child: Callable[..., int], kind: str) -> None:
    for n in itertools.count(1):
        ledger = tmp_path / f"{n}.jsonl"
        for i in range(3):
            atomic.append_line(ledger, f'{{"i": {i}}}')
        code = in_child(lambda ledger=ledger: atomic.append_line(ledger, '{"i": 3, "long": "' + "x" * 500 + '"}'),
                        f"write:{n}:{kind}")
        assert [row["i"] for row in atomic.read_jsonl(ledger)] in ([0, 1, 2], [0, 1, 2, 3])
        atomic.append_line(ledger, '{"i": 4}')
        assert [row["i"] for row in atomic.read_jsonl(ledger)] in ([0, 1, 2, 4], [0, 1, 2, 3, 4])
        if code == 0:
            break
    assert n > 2


def test_a_separate_program_killed_while_publishing_leaves_nothing_visible(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from strive.cache.store import Store\n"
        f"Store(Path(sys.argv[1])).publish('extract', {KEY!r}, {{'a': b'x' * 9000}}, {{}})"
    )
    broken = {**os.environ, "STRIVE_FAULT": "write:8:kill"}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=broken)
    assert done.returncode == KILLED and leftovers(tmp_path)
    assert Store(tmp_path).find("extract", KEY) is None
    assert leftovers(tmp_path) == []


def test_what_a_living_process_is_writing_is_not_swept(tmp_path: Path) -> None:
    mine = sweep.temporary_in(tmp_path)
    mine.write_bytes(b"half")
    sweep.sweep(tmp_path)
    assert mine.exists()


def test_what_another_host_is_writing_is_swept_only_when_old(tmp_path: Path) -> None:
    foreign = tmp_path / f"{sweep.TEMPORARY}0123456789ab-1-0-aabb"
    foreign.write_bytes(b"half")
    sweep.sweep(tmp_path)
    assert foreign.exists()
    os.utime(foreign, (0, 0))
    sweep.sweep(tmp_path)
    assert not foreign.exists()

"""An import that is killed at any write leaves whole artefacts, and the same command goes on from there."""

import itertools
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from strive.cache import pack, unpack
from strive.cache.key import make_key
from strive.cache.store import Store


def filled(root: Path) -> Store:
    store = Store(root)
    for stage, number in (("score", 0), ("score", 1), ("score", 2), ("variants", 0)):
        data: dict[str, bytes | Path] = {"a.bin": f"{stage} {number}".encode() * 90, "sub/b": b"b"}
        store.publish(stage, make_key(stage, 1, {"n": number}, {}), data, {})
    return store


def files(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in sorted(store.root.rglob("*"))
            if path.is_file() and path.relative_to(store.root).parts[0] not in store.RESERVED}


@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_killed_at_any_write_the_next_import_goes_on_from_there(
    tmp_path: Path, in_child: Callable[..., int], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(unpack, "_TOGETHER", 2)
    store, source, counts = filled(tmp_path / "a"), tmp_path / "x.tar", set()
    pack.write(store, pack.choose(store, everything=True), source)
    for n in itertools.count(1):
        target = tmp_path / f"to-{n}"
        code = in_child(lambda target=target: unpack.read(Store(target), source), f"write:{n}:{kind}")
        found = list(Store(target).entries())
        assert all(one.damage() == [] for one in found)
        assert not [path for path in target.rglob("*") if path.name.startswith(".tmp-")]
        counts.add(len(found))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        done = unpack.read(Store(target), source)
        assert (done.done, done.cached) == (4 - len(found), len(found)) and files(Store(target)) == files(store)
    assert n > 25 and counts == {0, 1, 2, 3, 4}


def test_an_export_killed_at_any_write_leaves_the_old_tar_or_the_new_one(
    tmp_path: Path, in_child: Callable[..., int]
) -> None:
    store, target = filled(tmp_path / "a"), tmp_path / "x.tar"
    chosen, states = pack.choose(store, everything=True), set()
    pack.write(store, chosen, target)
    new = target.read_bytes()
    for n in itertools.count(1):
        target.write_bytes(b"old")
        code = in_child(lambda: pack.write(store, chosen, target), f"write:{n}:kill")
        states.add(target.read_bytes())
        if code == 0:
            break
    assert states == {b"old", new} and n > 10

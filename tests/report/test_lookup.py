"""A run's rollouts are shown with the bundles it recorded, also when the last `strive variants` made others."""

from pathlib import Path

from strive.cache.runs import record_run
from strive.cache.store import Store
from strive.stages.report.lookup import RunBundles

from .conftest import bundle_bytes


def test_a_run_keeps_its_own_bundles(own_cache: Path, tmp_path: Path) -> None:
    store = Store(own_cache)
    old = store.publish("variants", "0a" * 32, {"bundle.h5": bundle_bytes(frames=4)}, {})
    new = store.publish("variants", "0b" * 32, {"bundle.h5": bundle_bytes(frames=6)}, {})
    record_run(store, tmp_path / "run", [old])
    store.remember("last-run/variants", {"keys": {"q1": new.key}})
    find = RunBundles(store)
    ours, last = find(tmp_path / "run", "q1"), find(tmp_path / "other", "q1")
    assert ours is not None and len(ours.variant(0).times) == 4
    assert last is not None and len(last.variant(0).times) == 6
    assert find(tmp_path / "run", "unknown") is None
    store.drop("variants", new.key)
    assert RunBundles(store)(tmp_path / "other", "q1") is None

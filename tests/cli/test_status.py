"""`strive status` tells what the last runs left and what to type next, from records that runs keep."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from strive.cache.key import make_key
from strive.cache.lock import hold
from strive.cache.store import Store

MAIN = "from strive.cli.main import main; main()"


def strive(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", MAIN, *arguments], capture_output=True, text=True, timeout=60)


def answer(*arguments: str) -> dict[str, Any]:
    done = strive("status", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def leave(store: Store, stage: str, done: int, total: int, failed: tuple[str, ...] = (), **more: Any) -> None:
    """What a run of `stage` leaves behind: artefacts and its summary."""
    keys = {}
    for n in range(done):
        keys[f"v{n}.mp4"] = store.publish(stage, make_key(stage, 1, {"n": n}, {}), {"a": b"1" * 1000}, {}).key
    store.remember(f"last-run/{stage}", {
        "stage": stage, "total": total, "done": done, "cached": 0, "bytes": 1000 * done, "keys": keys,
        "failed": [{"id": name, "reason": "90 frames announced, 11 decodable"} for name in failed],
        "finished": time.time() - 125, "seconds": 3.0, **more,
    })


def test_before_anything_ran_it_names_the_first_command(own_cache: Path) -> None:
    done = strive("status")
    assert done.returncode == 0 and "strive demo --out demo" in done.stdout
    assert answer()["stages"] == [] and not own_cache.exists()


def test_one_row_per_stage_and_the_following_stage_is_next(own_cache: Path) -> None:
    store = Store(own_cache)
    leave(store, "extract", 3, 3)
    leave(store, "score", 2, 2)
    said = answer()
    shown = [(row["stage"], row["done"], row["missing"]) for row in said["stages"]]
    assert shown == [("extract", 3, 0), ("score", 2, 0)]
    assert said["next"].startswith("strive variants ")
    text = strive("status").stdout
    assert " min " in text and "ago" in text and "2.9 KiB" in text and max(map(len, text.splitlines())) <= 80


def test_an_unfinished_stage_is_continued_first(own_cache: Path) -> None:
    store = Store(own_cache)
    leave(store, "extract", 3, 10)
    leave(store, "score", 2, 2)
    said = answer()
    assert said["stages"][0]["missing"] == 7 and said["next"].startswith("strive extract ")
    leave(store, "extract", 3, 10, command="strive extract my.mp4")
    assert answer()["next"] == "strive extract my.mp4"


def test_results_that_are_gone_from_the_cache_count_as_missing(own_cache: Path) -> None:
    store = Store(own_cache)
    leave(store, "extract", 3, 3)
    store.drop("extract", make_key("extract", 1, {"n": 1}, {}))
    assert answer()["stages"][0]["missing"] == 1


def test_the_list_that_a_run_leaves_is_compared_with_the_folders(own_cache: Path) -> None:
    store = Store(own_cache)
    leave(store, "extract", 3, 3)
    keys = [make_key("extract", 1, {"n": n}, {}) for n in range(4)]
    store.remember("last-run/extract", {**(store.recall("last-run/extract") or {}), "keys": None})
    store.index.remember_list("last-run/extract", [(key, f"v{n}.mp4") for n, key in enumerate([*keys, keys[3]])])
    assert answer()["stages"][0]["missing"] == 1
    store.drop("extract", keys[0])
    assert answer()["stages"][0]["missing"] == 2


def test_failed_items_are_listed_with_their_reasons_on_one_line_each(own_cache: Path) -> None:
    leave(Store(own_cache), "extract", 1, 3, failed=("a\nb.mp4", "c.mp4"))
    lines = strive("status", "extract", "--failed").stdout.splitlines()
    assert len([line for line in lines if "11 decodable" in line]) == 2
    assert answer("extract", "--failed")["failed"][1] == {
        "stage": "extract", "id": "c.mp4", "reason": "90 frames announced, 11 decodable"}
    assert answer("score", "--failed")["failed"] == []


def test_when_everything_failed_the_reasons_come_next(own_cache: Path) -> None:
    leave(Store(own_cache), "extract", 0, 1, failed=("a.mp4",))
    assert answer()["next"] == "strive status extract --failed"


def test_an_unknown_stage_is_a_usage_error_that_lists_the_stages(own_cache: Path) -> None:
    done = strive("status", "extrakt")
    assert done.returncode == 2 and "extract, " in done.stderr


def test_a_run_in_progress_is_shown_with_its_process(own_cache: Path) -> None:
    store = Store(own_cache)
    with hold(store.lock_path("extract", "0" * 64)):
        assert f"process {os.getpid()}" in answer()["busy"][0]
    assert answer()["busy"] == []


def test_a_damaged_record_is_left_out(own_cache: Path) -> None:
    store = Store(own_cache)
    leave(store, "extract", 1, 1)
    for place in (own_cache / "index" / "last-run").glob("??/*.json"):
        place.write_text("{")
    assert answer()["stages"] == []

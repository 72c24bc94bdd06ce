"""The demo killed at any moment, and two demos on one cache, end in the bytes of an undisturbed run."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SIZES = ("demo.train_videos=8", "demo.eval_videos=4", "train.steps=4", "train.checkpoint_every=1",
         "train.prompts_per_step=2", "train.threads=1")


def start(out: Path, cache: Path) -> subprocess.Popen[str]:
    """A small demo, in a process group of its own."""
    sets = [part for size in SIZES for part in ("--set", size)]
    command = [sys.executable, "-m", "strive.cli", "demo", "--out", str(out), "--cache-dir", str(cache), "--json",
               *sets]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(demo: subprocess.Popen[str]) -> dict[str, object]:
    """Its JSON object; fails with what it said."""
    out, err = demo.communicate(timeout=600)
    assert demo.returncode == 0, err + out
    found: dict[str, object] = json.loads(out)
    return found


def left_behind(out: Path, cache: Path) -> dict[str, str]:
    """Digests of all bundles by key, and of the trained weights and answers."""
    files = {f"bundle {path.parent.name}": path for path in cache.glob("variants/*/*/bundle.h5")}
    files["weights"] = out / "run" / "policy" / "model.safetensors"
    files |= {f"answers {arm.name}": arm / "predictions.jsonl" for arm in (out / "eval").iterdir()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def half_written(cache: Path) -> list[Path]:
    """Temporary names that nobody swept."""
    return [path for path in cache.rglob(".*tmp*") if path.exists()]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_demo_killed_at_any_moment_ends_in_the_same_bytes(tmp_path: Path, seed: int) -> None:
    finish(start(tmp_path / "calm", tmp_path / "calm-cache"))
    wanted = left_behind(tmp_path / "calm", tmp_path / "calm-cache")
    out, cache, draw, kills = tmp_path / "torn", tmp_path / "torn-cache", random.Random(seed), 0
    while True:
        demo = start(out, cache)
        try:
            demo.wait(timeout=draw.uniform(2, 10 + kills))
            break
        except subprocess.TimeoutExpired:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.communicate()
            kills += 1
    assert demo.returncode == 0 and kills >= 1
    assert left_behind(out, cache) == wanted
    assert half_written(cache) == []


@pytest.mark.slow
def test_two_demos_at_once_on_one_cache_are_both_right_and_make_each_bundle_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    demos = [start(tmp_path / name, cache) for name in ("one", "two")]
    figures = [finish(demo) for demo in demos]
    one, two = (left_behind(tmp_path / name, cache) for name in ("one", "two"))
    assert one == two
    assert figures[0]["trained_accuracy"] == figures[1]["trained_accuracy"]
    assert len(list(cache.glob("variants/*/*"))) == 24


@pytest.mark.slow
def test_a_finished_demo_has_nothing_to_do_and_prints_the_same_figures(tmp_path: Path) -> None:
    first = finish(start(tmp_path / "demo", tmp_path / "cache"))
    began = time.monotonic()
    again = finish(start(tmp_path / "demo", tmp_path / "cache"))
    assert time.monotonic() - began < 10
    changing = {"done", "cached", "seconds"}
    assert {k: v for k, v in first.items() if k not in changing} == {
        k: v for k, v in again.items() if k not in changing
    }

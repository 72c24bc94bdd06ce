"""`strive compare` as people call it: a small comparison from beginning to end, killed, extended, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIZES = ("demo.train_videos=3", "demo.eval_videos=2", "train.steps=3", "train.prompts_per_step=2",
         "train.checkpoint_every=1")


def start(out: Path, *arguments: str, sets: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A comparison of the demo world's smallest size, in a process group of its own."""
    pairs = [part for one in (*SIZES, *sets) for part in ("--set", one)]
    command = [sys.executable, "-m", "strive.cli", "compare", "--out", str(out), "--json", *arguments, *pairs]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(started: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    """Its JSON object; fails with what it said."""
    out, err = started.communicate(timeout=900)
    assert started.returncode == code, err + out
    return dict(json.loads(out))


def figures(out: Path) -> dict[str, Any]:
    """compare.json without what depends on the machine's speed."""
    found = json.loads((out / "compare.json").read_bytes())
    assert "timing" in found
    return {key: value for key, value in found.items() if key != "timing"}


def kill_when(started: subprocess.Popen[str], is_time: Callable[[], bool], number: int = signal.SIGKILL) -> int:
    """Send a signal to the parent alone, as the out-of-memory killer would; its exit code."""
    deadline = time.monotonic() + 600
    while not is_time() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(started.pid, number)
    started.communicate(timeout=120)
    return started.returncode


def test_a_dry_run_prints_the_plan_and_makes_nothing(tmp_path: Path) -> None:
    found = finish(start(tmp_path / "out", "grpo", "t_grpo", "--seeds", "3", "-n"))
    assert found["runs"] == 6 and found["budget"] == {"generated_rollouts": 48}
    arms = {arm["name"]: arm for arm in found["arms"]}
    assert (arms["t_grpo"]["steps"], arms["t_grpo"]["generated_rollouts"], arms["t_grpo"]["trained_rollouts"]) == (
        2, 48, 32)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grpo", "nope"), "nope: no recipe of that name"),
        (("grpo", "strive:variants.count=3"), "train.rollouts = 8 over the 3 variants"),
        (("grpo", "--eval-data", "x.jsonl"), "--eval-data without --data"),
        (("grpo", "--data", "x.jsonl", "--model", "demo"), "--data without --eval-data"),
        (("grpo", "--data", "x.jsonl", "--eval-data", "y.jsonl"), "no model"),
        (("grpo", "--seed", "3"), "--seed"),
        (("grpo", "--seeds", "none"), "no seeds"),
    ],
)
def test_wrong_input_is_exit_2_with_three_parts(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    found = finish(start(tmp_path / "out", *arguments), code=2)
    assert said in found["error"]["what"] and found["error"]["expected"] and found["error"]["do"]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_left_alone_even_with_force(tmp_path: Path) -> None:
    (tmp_path / "out" / "world").mkdir(parents=True)
    (tmp_path / "out" / "world" / "mine.txt").write_text("mine")
    for more in ((), ("--force",)):
        found = finish(start(tmp_path / "out", "grpo", *more), code=2)
        assert "no comparison was begun here" in found["error"]["what"]
    assert (tmp_path / "out" / "world" / "mine.txt").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    found = finish(start(tmp_path / "out", "grpo"), code=2)
    assert "a file, not a folder" in found["error"]["what"] and found["error"]["expected"] and found["error"]["do"]
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_a_comparison_killed_in_a_run_and_between_runs_ends_in_the_same_figures(tmp_path: Path) -> None:
    arguments = ("grpo", "strive", "--seeds", "2", "--groups", "2")
    finish(start(tmp_path / "calm", *arguments))
    out = tmp_path / "torn"

    def in_a_run() -> bool:
        return any(path.stat().st_size for path in out.glob("runs/*/seed_*/metrics.jsonl"))

    def between_runs() -> bool:
        return any(out.glob("work/done/runs__*"))

    def in_an_evaluation() -> bool:
        return len(list(out.glob("runs/*/seed_*/eval/*/predictions.jsonl"))) > 2

    assert kill_when(start(out, *arguments), in_a_run) == -9
    assert kill_when(start(out, *arguments), between_runs) == -9
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("work/done/*")}
    assert kill_when(start(out, *arguments), in_an_evaluation, signal.SIGTERM) == 143
    last = finish(start(out, *arguments))
    assert figures(out) == figures(tmp_path / "calm")
    assert last["cached"] >= len(finished) >= 1
    assert finished.items() <= {path.name: path.stat().st_mtime_ns for path in out.glob("work/done/*")}.items()


@pytest.mark.slow
def test_recipes_and_seeds_may_be_added_settings_may_not_change_and_nothing_is_done_twice(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert finish(start(out, "grpo", "--seeds", "1"))["done"] == 2
    again = finish(start(out, "grpo", "--seeds", "1"))
    assert (again["done"], again["cached"]) == (0, 2)
    more = finish(start(out, "grpo", "strive:variants.count=2", "--seeds", "2"))
    assert (more["done"], more["cached"]) == (3, 2)
    found = figures(out)
    assert found["seeds"] == [0, 1] and set(found["results"]) == {"grpo", "strive:variants.count=2"}
    uniform = found["results"]["strive:variants.count=2"]["views"]["uniform"]
    assert len(uniform["accuracy"]["values"]) == 2 and "difference" in uniform
    changed = finish(start(out, "grpo", "--seeds", "2", sets=("train.learning_rate=3e-5", "train.steps=4")), code=2)
    assert "train.learning_rate 0.0001 -> 3.0e-05" in changed["error"]["what"]
    assert "train.steps 3 -> 4" in changed["error"]["what"]


@pytest.mark.slow
def test_a_run_that_fails_is_listed_and_the_others_are_compared(tmp_path: Path) -> None:
    out, broken = tmp_path / "out", "strive:train.max_prompt_tokens=1"
    found = finish(start(out, "grpo", broken, "--seeds", "2", "--workers", "1"), code=3)
    assert [one["id"] for one in found["failed"]] == [f"{broken} seed 0", f"{broken} seed 1"]
    assert "0 usable bundles" in found["failed"][0]["reason"] and found["done"] == 3
    written = figures(out)
    assert [(one["arm"], one["seed"]) for one in written["failed"]] == [(broken, 0), (broken, 1)]
    assert written["results"]["grpo"]["views"]["uniform"]["accuracy"]["n"] == 2


def test_report_on_a_comparison_says_what_to_open(tmp_path: Path) -> None:
    (tmp_path / "compare_started.json").write_text("{}")
    (tmp_path / "compare.html").write_text("page")
    done = subprocess.run([sys.executable, "-m", "strive.cli", "report", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"Open {tmp_path / 'compare.html'}" in done.stderr and "seed_N" in done.stderr

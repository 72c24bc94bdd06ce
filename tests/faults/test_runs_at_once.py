"""Many runs on one cache: each item is made once, settings do not mix, the dead are replaced, other hosts awaited."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chain_world import World, contents, count, incomplete, left_over, running, wait_until
from warm_process import Run, WarmProcess

LIGHT = ("--set", "score.scorer=hash")
"""Importance from a hash of the frames: the same chain without a model."""


def finished(runs: list[Run]) -> list[Run]:
    for run in runs:
        assert run.wait() == 0, run.said()
    return runs


def made_by(runs: list[Run]) -> list[int]:
    """How many items each of the runs made."""
    return [run.answer()["done"] for run in finished(runs)]


def test_eight_runs_of_the_same_dataset_at_the_same_time_make_each_item_once(
    tmp_path: Path, world: World, warm: WarmProcess
) -> None:
    cache, alone = tmp_path / "cache", tmp_path / "alone"
    warm.finish(world.command("variants", alone, *LIGHT))
    assert sum(made_by([warm.start(world.command("extract", cache)) for _ in range(8)])) == 4
    assert sum(made_by([warm.start(world.command("variants", cache, *LIGHT)) for _ in range(8)])) == 12
    assert contents(cache) == contents(alone) and left_over(cache) == []


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(5))
def test_eight_runs_with_the_scorer_at_the_same_time_make_each_item_once(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path, attempt: int
) -> None:
    cache = tmp_path / "cache"
    assert sum(made_by([warm.start(world.command("variants", cache)) for _ in range(8)])) == 12
    assert contents(cache) == contents(calm) and left_over(cache) == []


def test_runs_with_other_settings_at_the_same_time_are_both_right(
    tmp_path: Path, world: World, warm: WarmProcess
) -> None:
    settings = [(*LIGHT, "--set", f"variants.count={n}") for n in (2, 3)]
    wanted: dict[str, str] = {}
    for number, more in enumerate(settings):
        warm.finish(world.command("variants", tmp_path / f"{number}", *more))
        wanted |= contents(tmp_path / f"{number}")
    cache = tmp_path / "cache"
    assert made_by([warm.start(world.command("variants", cache, *more)) for more in settings]) == [12, 12]
    assert contents(cache) == wanted and count(cache, "variants") == 24


def hang(run_of: int) -> int:
    """Stop the first decoder of a run, so that the run holds its item; returns the decoder."""
    found: list[int] = []
    wait_until(lambda: found.extend(pid for pid in running(run_of) if pid != run_of and "child" in command_of(pid))
               or found)
    os.kill(found[0], signal.SIGSTOP)
    return found[0]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_run_killed_over_an_item_is_taken_over_from_by_name_and_its_decoder_is_gone(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    cache = tmp_path / "cache"
    first = warm.start(world.command("extract", cache, "--workers", "1"))
    wait_until(lambda: list(cache.glob("locks/*.lock")))
    hang(first.pid)
    waiting = warm.start(world.command("extract", cache, "--workers", "1"))
    wait_until(lambda: f"waiting for process {first.pid}" in waiting.said())
    first.kill(whole_group=False)
    finished([waiting])
    assert f"took over from process {first.pid}" in waiting.said() and "dead" in waiting.said()
    wait_until(lambda: not running(first.pid), 2)
    assert contents(cache) == contents(calm, ("extract",)) and left_over(cache) == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root to be another host")
def test_a_run_on_another_host_is_waited_for_and_not_robbed(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    """The other host is a process whose host name is another: nothing of its processes can be looked up by name."""
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "strive.cli", *world.command("extract", cache, "--workers", "1")]
    there = subprocess.Popen(["unshare", "--uts", "sh", "-c", 'hostname node7 && exec "$@"', "sh", *command],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
    wait_until(lambda: list(cache.glob("locks/*.lock")))
    decoder = hang(there.pid)
    here = warm.start(world.command("extract", cache, "--workers", "1"))
    wait_until(lambda: f"waiting for process {there.pid} on node7" in here.said())
    assert here.wait(1) is None and incomplete(cache) == []
    os.kill(decoder, signal.SIGCONT)
    done = json.loads(there.communicate(timeout=60)[0])["done"]
    assert done + made_by([here])[0] == 4 and done >= 1
    assert contents(cache) == contents(calm, ("extract",)) and left_over(cache) == []


@pytest.mark.parametrize("attempt", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 20))])
def test_gc_during_a_run_takes_nothing_that_the_run_uses(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path, attempt: int
) -> None:
    """Everything before the bundles is old and known to no run; gc goes on all the time that the run does."""
    cache = tmp_path / "cache"
    for stage in ("extract", "embed", "score"):
        shutil.copytree(calm / stage, cache / stage)
        for place in (cache / stage).glob("??/*"):
            os.utime(place, (time.time() - 5 * 24 * 3600,) * 2)
    run, collections = warm.start(world.command("variants", cache)), 0
    time.sleep(attempt * 0.05)
    while (code := run.wait(0)) is None:
        finished([warm.start(["cache", "gc", "--yes", "--cache-dir", str(cache)])])
        collections += 1
    assert code == 0 and collections >= 1, run.said()
    assert incomplete(cache) == []
    assert run.answer()["done"] == 12 and run.answer()["failed"] == []
    again = warm.finish(world.command("variants", cache))
    assert again["done"] == 0 and contents(cache) == contents(calm)

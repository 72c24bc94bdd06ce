"""Killed at any moment, again and again, the data stages end in an undisturbed run's bytes and make nothing twice."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from chain_world import STAGES, World, contents, count, incomplete, left_over, marks, running
from warm_process import Run, WarmProcess

KILLS = 50
"""Of each stage, in the long loop."""
COMMAND = {"extract": "extract", "embed": "score", "score": "score", "variants": "variants"}


@dataclass
class Tally:
    """What became of the runs: how many were killed, how many of those in the middle of a write."""

    kills: int = 0
    at_work: int = 0
    finished: int = 0
    looks: int = 0


@contextmanager
def watched(cache: Path, tally: Tally) -> Iterator[None]:
    """A reader in a process of its own checks all that is visible meanwhile."""
    reader = subprocess.Popen([sys.executable, str(Path(__file__).with_name("watch_cache.py")), str(cache)],
                              stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None and reader.stdout.readline() == "looking\n"
    try:
        yield
    finally:
        reader.terminate()
        said = json.loads(reader.communicate()[0])
    assert said["wrong"] == []
    tally.looks += said["looks"]


def kill_again_and_again(
    warm: WarmProcess, command: list[str], cache: Path, draw: random.Random, longest_s: float, most: int, tally: Tally
) -> None:
    """Start the command, kill it at a random time, and so on until one run ends by itself (`most` kills at most)."""
    kills, code = 0, None
    while code != 0:
        before = marks(cache)
        run = warm.start(command)
        code = run.wait(draw.uniform(0.05, longest_s)) if kills < most else run.wait()
        if code is None:
            code = run.kill(whole_group=draw.random() < 0.5)
            assert_no_children(run)
        after = marks(cache)
        assert {name: after.get(name) for name in before} == before, "what was finished is not made again"
        assert incomplete(cache) == []
        assert code in (0, -signal.SIGKILL), run.said()
        if code:
            kills += 1
            tally.at_work += bool(left_over(cache))
    tally.kills += kills
    tally.finished += 1


def assert_no_children(run: Run) -> None:
    """The decoders of a killed run end within two seconds."""
    deadline = time.monotonic() + 2
    while running(run.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running(run.pid) == []


def start_with(stages: tuple[str, ...], calm: Path, cache: Path) -> Path:
    """A cache in which these stages are done."""
    for stage in stages:
        shutil.copytree(calm / stage, cache / stage)
    return cache


def test_a_chain_killed_a_few_times_ends_in_the_same_bytes(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    cache, tally = tmp_path / "cache", Tally()
    with watched(cache, tally):
        kill_again_and_again(warm, world.command("variants", cache), cache, random.Random(7), 2, 3, tally)
    assert contents(cache) == contents(calm) and left_over(cache) == []
    assert tally.kills >= 1 and tally.looks > 10


def test_a_command_killed_at_its_first_artefact_goes_on_where_it_was(tmp_path: Path, world: World, calm: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "strive.cli", *world.command("extract", cache, "--workers", "1")]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not count(cache, "extract") and run.poll() is None:
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    made = marks(cache)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert 1 <= len(made) < 4 and made.items() <= marks(cache).items()
    assert contents(cache) == contents(calm, ("extract",)) and left_over(cache) == []


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_fifty_times_ends_in_the_same_bytes(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path, stage: str
) -> None:
    before, tally, draw = STAGES[:STAGES.index(stage)], Tally(), random.Random(f"kill {stage}")
    started = time.monotonic()
    warm.finish(world.command(COMMAND[stage], start_with(before, calm, tmp_path / "measured")))
    longest_s = time.monotonic() - started
    while tally.kills < KILLS:
        cache = start_with(before, calm, tmp_path / f"cache-{tally.finished}")
        with watched(cache, tally):
            kill_again_and_again(warm, world.command(COMMAND[stage], cache), cache, draw, longest_s,
                                 KILLS - tally.kills, tally)
        made = tuple(one for one in STAGES if (cache / one).exists())
        assert stage in made and contents(cache, made) == contents(calm, made)
        assert left_over(cache) == []
    print(f"{stage}: {tally}")

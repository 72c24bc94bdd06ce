"""A clock that is wrong by years, or jumps while a run goes on, changes no key, redoes nothing and collects nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chain_world import World, answer_of, contents, left_over, marks
from warm_process import WarmProcess

YEAR_S = 365 * 24 * 3600
JUMPING = """
import os, time
began, real = time.monotonic(), time.time
def jumped():
    late = time.monotonic() - began > float(os.environ["JUMP_AFTER_S"])
    return real() + (float(os.environ["JUMP_S"]) if late else 0.0)
time.time = jumped
"""


def test_files_from_the_future_and_from_1970_change_nothing(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    cache = tmp_path / "cache"
    warm.finish(world.command("variants", cache))
    before = marks(cache)
    for when in (time.time() + 50 * YEAR_S, 0):
        for path in (*world.videos.iterdir(), *cache.rglob("*")):
            os.utime(path, (when, when))
        again = warm.finish(world.command("variants", cache))
        assert (again["done"], again["cached"]) == (0, 12)
        collected = warm.start(["cache", "gc", "--yes", "--json", "--cache-dir", str(cache)])
        assert collected.wait() == 0, collected.said()
    assert {name: inode for name, (inode, _) in marks(cache).items()} == {n: inode for n, (inode, _) in before.items()}
    assert contents(cache) == contents(calm)


@pytest.mark.parametrize("jump_s", [
    pytest.param(10 * YEAR_S, id="ahead"), pytest.param(-10 * YEAR_S, id="back", marks=pytest.mark.slow),
])
def test_a_clock_that_jumps_during_a_run_changes_neither_keys_nor_bytes(
    tmp_path: Path, world: World, calm: Path, jump_s: int
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(JUMPING)
    paths = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "strive.cli", *world.command("extract", cache)]
    for after_s, made in (("0.6", 4), ("0", 0)):
        environment = {**os.environ, "PYTHONPATH": paths, "JUMP_S": str(jump_s), "JUMP_AFTER_S": after_s}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert answer_of(done.stdout)["done"] == made
    assert contents(cache) == contents(calm, ("extract",)) and left_over(cache) == []

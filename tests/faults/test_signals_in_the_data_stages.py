"""One signal lets the items at work finish, a second Ctrl-C stops at once, nobody stays, the same command goes on."""

import os
import signal
from pathlib import Path

import pytest
from chain_world import World, contents, count, incomplete, left_over, marks, running, wait_until
from warm_process import Run, WarmProcess

from strive.cache.store import Store

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def decoders(run: Run) -> list[int]:
    return [pid for pid in running(run.pid) if pid != run.pid]


@pytest.mark.parametrize(("stage", "number"), [
    ("extract", signal.SIGINT), ("variants", signal.SIGTERM),
    pytest.param("embed", signal.SIGTERM, marks=pytest.mark.slow),
    pytest.param("variants", signal.SIGINT, marks=pytest.mark.slow),
])
def test_one_signal_to_the_group_ends_the_run_with_its_code_and_the_same_command_goes_on(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path, stage: str, number: signal.Signals
) -> None:
    cache, command = tmp_path / "cache", world.command("variants", tmp_path / "cache", "--workers", "1")
    run = warm.start(command)
    wait_until(lambda: count(cache, stage))
    os.killpg(run.pid, number)
    assert run.wait(30) == CODES[number], run.said()
    wait_until(lambda: not running(run.pid), 2)
    error = run.answer()["error"]
    assert error["what"] and "again" in error["do"]
    made = marks(cache)
    assert incomplete(cache) == [] and left_over(cache) == [] and len(made) < 32
    warm.finish(command)
    assert made.items() <= marks(cache).items() and contents(cache) == contents(calm)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_ctrl_c_stops_at_once_even_while_a_decoder_hangs(
    tmp_path: Path, world: World, warm: WarmProcess, workers: str
) -> None:
    cache = tmp_path / "cache"
    run = warm.start(world.command("extract", cache, "--workers", workers))
    wait_until(lambda: list(cache.glob("locks/*.lock")))
    os.kill(decoders(run)[0], signal.SIGSTOP)
    wait_until(lambda: workers == "1" or count(cache, "extract") == 3)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(1) is None, "the first lets the item at work finish"
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(5) == 130, run.said()
    wait_until(lambda: not running(run.pid), 2)
    assert run.answer()["error"]["do"] and incomplete(cache) == [] and left_over(cache) == []


@pytest.mark.parametrize("number", CODES, ids=lambda number: signal.Signals(number).name)
def test_a_run_that_waits_for_another_one_s_item_stops_at_one_signal(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path, number: signal.Signals
) -> None:
    cache = tmp_path / "cache"
    key = next(iter(calm.glob("extract/??/*"))).name
    with Store(cache).claim("extract", key):
        run = warm.start(world.command("extract", cache))
        wait_until(lambda: "waiting for" in run.said())
        os.killpg(run.pid, number)
        assert run.wait(10) == CODES[number], run.said()

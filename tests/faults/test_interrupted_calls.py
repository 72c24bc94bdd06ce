"""System calls that fail, are interrupted or take half of the bytes never leave a short file."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from chain_world import World, contents, incomplete, left_over
from warm_process import WarmProcess

from strive.cache.key import make_key
from strive.cache.store import Store

EVERY_S = 0.0002


@pytest.fixture
def storm() -> Iterator[list[int]]:
    """A signal handler that is called some thousand times a second: any call may be interrupted half-way."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGALRM, note)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, EVERY_S, EVERY_S)
    yield came
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_writes_and_locks_go_on_after_each_interruption(tmp_path: Path, storm: list[int]) -> None:
    store, files = Store(tmp_path / "cache"), {"a": bytes(range(256)) * 4096, "b": b"small"}
    keys = [make_key("extract", 1, {}, {"n": n}) for n in range(30)]
    for key in keys[:10]:
        with store.claim("extract", key):
            store.publish("extract", key, files, {})
    store.publish_many("extract", [(key, files, {}) for key in keys[10:]])
    store.remember("last-run/extract", {"keys": keys})
    assert len(storm) > 100
    found = [store.find("extract", key) for key in keys]
    assert all(one is not None and one.damage() == [] for one in found)
    assert store.recall("last-run/extract") == {"keys": keys}


@pytest.mark.parametrize("point", [60, pytest.param(100, marks=pytest.mark.slow)])
def test_an_input_output_error_ends_the_run_with_exit_5_and_the_next_run_finishes(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path, point: int
) -> None:
    cache = tmp_path / "cache"
    command = world.command("extract", cache)
    run = warm.start(command, {"STRIVE_FAULT": f"write:{point}:EIO"})
    assert run.wait() == 5, run.said()
    error = run.answer()["error"]
    assert str(cache) in error["what"] and "input/output error" in error["what"] and "again" in error["do"]
    assert incomplete(cache) == [] and left_over(cache) == []
    warm.finish(command)
    assert contents(cache) == contents(calm, ("extract",)) and left_over(cache) == []

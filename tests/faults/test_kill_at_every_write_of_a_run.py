"""Killed at each single write of a whole run, the next run ends in the bytes of an undisturbed one."""

import signal
from pathlib import Path

import pytest
from chain_world import World, contents, incomplete, left_over, make_world, marks
from warm_process import WarmProcess


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One video with two questions: every kind of write, as few as can be."""
    return make_world(tmp_path_factory.mktemp("small") / "data", videos=1, questions=2)


def survives_a_kill(warm: WarmProcess, command: list[str], cache: Path, point: int, kind: str = "kill") -> bool:
    """Run with a fault at write number `point`, then without; False when the first run was through before it."""
    run = warm.start(command, {"STRIVE_FAULT": f"write:{point}:{kind}"})
    code = run.wait()
    assert code in (0, -signal.SIGKILL), run.said()
    assert incomplete(cache) == []
    before = marks(cache)
    warm.finish(command)
    assert before.items() <= marks(cache).items() and left_over(cache) == []
    return code != 0


def test_killed_at_some_writes_a_run_ends_in_the_same_bytes(tmp_path: Path, small: World, warm: WarmProcess) -> None:
    more = ("--workers", "1", "--set", "score.scorer=hash")
    warm.finish(small.command("variants", tmp_path / "calm", *more))
    wanted, point, kills = contents(tmp_path / "calm"), 5, 0
    while survives_a_kill(warm, small.command("variants", tmp_path / f"{point}", *more), tmp_path / f"{point}", point):
        assert contents(tmp_path / f"{point}") == wanted
        point, kills = point + 67, kills + 1
    assert kills >= 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_killed_at_every_write_a_run_ends_in_the_same_bytes(
    tmp_path: Path, small: World, warm: WarmProcess, kind: str
) -> None:
    warm.finish(small.command("variants", tmp_path / "calm", "--workers", "1"))
    wanted, point = contents(tmp_path / "calm"), 1
    while survives_a_kill(warm, small.command("variants", tmp_path / f"{point}", "--workers", "1"),
                          tmp_path / f"{point}", point, kind):
        assert contents(tmp_path / f"{point}") == wanted
        point += 1
    print(f"{kind}: {point - 1} write points")
    assert point > 60

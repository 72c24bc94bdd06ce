"""Runs in real child processes: how they fail, how they are stopped, where they run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strive.cache.lock import hold
from strive.configs.errors import StoppedError
from strive.configs.load import load
from strive.stages.compare.schedule import Schedule, Slot, make_slots, visible_gpus
from strive.stages.compare.tasks import Spec, Task, plain
from strive.stages.reporter import Silent

PARENT = """
import sys
from pathlib import Path
from strive.configs.errors import InterruptedRun
from strive.stages.compare.schedule import Schedule, Slot
from strive.stages.compare.tasks import Task, read_spec
from strive.stages.reporter import Silent
file = Path(sys.argv[1])
task = Task("waits", read_spec(file), file, file.with_suffix(".log"), file.with_suffix(".done"))
try:
    Schedule([Slot(0)], 1, Silent()).run([task], 0)
except InterruptedRun as error:
    sys.exit(error.code)
"""


def task_of(tmp_path: Path, kind: str, name: str = "one") -> Task:
    """A task whose bundles and questions are files of `tmp_path`."""
    (tmp_path / "bundles.json").write_text(json.dumps({"q1": "0" * 64}))
    (tmp_path / "eval.jsonl").write_text(json.dumps({
        "id": "q1", "video": "a.mp4", "question": "What?", "options": None, "answer": "red", "question_type": "open"
    }) + "\n")
    (tmp_path / "a.mp4").write_bytes(b"no video")
    config = plain(load(preset="demo", env={}).config)
    spec = Spec(kind, "grpo", 0, str(tmp_path / name), str(tmp_path / "cache"), config, config, "",
                str(tmp_path / "eval.jsonl"), str(tmp_path), False, str(tmp_path / "bundles.json"), "", ("uniform",), 1)
    return Task(name, spec, tmp_path / f"{name}.json", tmp_path / f"{name}.log", tmp_path / f"{name}.done")


def test_a_failed_run_is_named_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    schedule = Schedule([Slot(0), Slot(1)], 1, Silent())
    tasks = [task_of(tmp_path, "groups", name) for name in ("one", "two", "three")]
    schedule.run(tasks, 0)
    assert set(schedule.failed) == {"one", "two", "three"}
    assert "the bundle of q1 has left the cache" in schedule.failed["three"]
    assert all(task.seconds() is None for task in tasks)
    assert "has left the cache" in tasks[0].log.read_text()


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path) -> None:
    schedule = Schedule([Slot(0)], 1, Silent(), fail_fast=True)
    with pytest.raises(StoppedError, match="one: the bundle of q1"):
        schedule.run([task_of(tmp_path, "groups", name) for name in ("one", "two")], 0)
    assert set(schedule.failed) == {"one"}


def test_a_child_that_ends_without_a_word_is_a_failure_with_the_log_s_last_line(tmp_path: Path) -> None:
    task = task_of(tmp_path, "groups")
    (tmp_path / "bundles.json").write_text("{")  # no StriveError: a bug, as far as the child knows
    schedule = Schedule([Slot(0)], 1, Silent())
    schedule.run([task], 0)
    assert "unexpected JSONDecodeError" in schedule.failed["one"]


def children(pid: int) -> list[int]:
    """The processes that this one has started."""
    return [int(name) for name in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_children_end_with_their_parent(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    task = task_of(tmp_path, "base")
    task.write()
    with hold(tmp_path / "one" / "uniform" / ".lock"):  # the child waits for it
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(task.file)], start_new_session=True)
        deadline = time.monotonic() + 60
        while not (task.log.is_file() and "waiting for" in task.log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        running = children(parent.pid)
        assert len(running) == 1
        os.kill(parent.pid, sent)
        assert parent.wait(30) == code
        deadline = time.monotonic() + 10
        while is_running(running[0]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_running(running[0])


def test_runs_at_a_time_follow_gpus_then_cores_then_what_is_asked_for() -> None:
    assert [slot.gpu for slot in make_slots(None, 8, 1, ["0", "1", "2"])] == ["0", "1", "2"]
    assert len(make_slots(None, 2, 1, [])) == 2
    assert len(make_slots(None, 8, 4, [])) == 2
    assert len(make_slots(None, 2, 4, [])) == 1
    assert [slot.gpu for slot in make_slots(3, 8, 1, ["4", "7"])] == ["4", "7", "4"]


def test_gpus_are_those_that_this_process_may_see_and_none_for_the_cpu() -> None:
    assert visible_gpus("auto", lambda: 2, {"CUDA_VISIBLE_DEVICES": "5, GPU-x"}) == ["5", "GPU-x"]
    assert visible_gpus("cuda", lambda: 2, {}) == ["0", "1"]
    assert visible_gpus("cpu", lambda: 2, {}) == []
    assert visible_gpus("auto", lambda: 0, {"CUDA_VISIBLE_DEVICES": ""}) == []


def test_a_finished_run_counts_as_long_as_its_files_are_what_they_were(tmp_path: Path) -> None:
    task = task_of(tmp_path, "groups")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "groups.jsonl").write_text("{}\n")
    task.finish(12.0)
    assert task.seconds() == 12.0
    (tmp_path / "one" / "groups.jsonl").write_text("{}\n{}\n")
    assert task.seconds() is None

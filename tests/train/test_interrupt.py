"""Signals and time limits: saved after the step, and the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_world import Notes, assert_same, content, exit_code, in_child, make_job

from strive.cache.ledger import read_jsonl
from strive.configs.errors import InterruptedRun
from strive.stages.train.signals import Stop
from strive.stages.train.stage import train


def test_an_interruption_at_an_odd_step_leaves_the_same_checkpoints_in_the_end(
    tmp_path: Path, qwen25: Path, undisturbed: Path
) -> None:
    with pytest.raises(InterruptedRun) as caught:
        train(make_job(tmp_path, qwen25, max_time_s=0.0))
    assert caught.value.code == 143
    job = make_job(tmp_path, qwen25)
    for stop_after in (1, 3):
        with pytest.raises(InterruptedRun):
            train(replace(job, reporter=Impatient(stop_after)))
        assert (job.run / "checkpoints" / f"step_{stop_after:06d}").is_dir()
    assert train(job).resumed_from == 3
    assert_same(job.run, undisturbed)


class Impatient(Notes):
    """Asks to stop, as a scheduler does, while a given step is reported."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def metrics(self, row: dict[str, Any]) -> None:
        if row["step"] == self.step:
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR1, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_after_the_step_and_the_same_command_goes_on(
    tmp_path: Path, qwen25: Path, undisturbed: Path, number: signal.Signals, code: int
) -> None:
    child = in_child(make_job(tmp_path, qwen25, train__steps=400, train__checkpoint_every=200))
    wait_for_steps(tmp_path / "run", 3)
    os.kill(child, number)
    assert exit_code(child) == code
    goes_on_after_a_signal(tmp_path, qwen25, undisturbed)


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from training_world import make_job
from strive.configs.errors import StriveError
from strive.stages.train.stage import train
try:
    train(make_job(Path({folder!r}), {model!r}, train__steps=400, train__checkpoint_every=200))
except StriveError as error:
    sys.exit(f"{{error.code}} {{error}}")
"""


def test_sigterm_to_a_process_of_its_own_saves_and_says_how_to_go_on(
    tmp_path: Path, qwen25: Path, undisturbed: Path
) -> None:
    here = Path(__file__).parent
    script = SCRIPT.format(paths=[str(here), str(here.parent)], folder=str(tmp_path), model=str(qwen25))
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_steps(tmp_path / "run", 3)
    child.terminate()
    _, talk = child.communicate(timeout=60)
    assert "143 stopped by SIGTERM" in talk and "Run the same command again to continue" in talk
    goes_on_after_a_signal(tmp_path, qwen25, undisturbed)


def wait_for_steps(run: Path, count: int, seconds: float = 120) -> None:
    deadline, ledger = time.monotonic() + seconds, run / "metrics.jsonl"
    while not (ledger.is_file() and len(ledger.read_bytes().splitlines()) >= count):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def goes_on_after_a_signal(folder: Path, model: Path, undisturbed: Path) -> None:
    saved = [p.name for p in (folder / "run" / "checkpoints").iterdir()]
    reached = int(saved[0][-6:])
    assert not (folder / "run" / "last_item.json").exists()
    assert len(saved) == 1 and reached == len(read_jsonl(folder / "run" / "metrics.jsonl"))
    outcome = train(make_job(folder, model, train__steps=reached + 1, train__checkpoint_every=200))
    assert outcome.resumed_from == reached
    first = content(folder / "run")["metrics"][:4]
    assert len(first) >= 3 and first == content(undisturbed)["metrics"][: len(first)]


def test_ctrl_c_twice_stops_at_once() -> None:
    from strive.stages.train.signals import Stop

    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.code == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_time_limit_counts_what_was_spent_before_training() -> None:
    assert Stop(10.0, spent_s=11.0).code == 143 and Stop(10.0, spent_s=1.0).code is None
    with Stop(10.0, spent_s=11.0) as stop, pytest.raises(InterruptedRun, match="time limit of 10 s"):
        stop.check("nothing was started")

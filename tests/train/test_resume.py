"""A resumed run is the undisturbed run bit for bit, whatever stopped it; changed settings are refused."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_world import Notes, make_job

from strive.cache import fault
from strive.cache.ledger import read_jsonl
from strive.configs.errors import InterruptedRun, StoppedError, StriveError, UsageError, VerificationError
from strive.stages.train import session
from strive.stages.train.job import TrainJob
from strive.stages.train.stage import train
from strive.stages.train.step import PlainEngine

OF_THE_PROCESS = {"rollout_s", "update_s", "step_s", "peak_rss_bytes", "encoder_calls"}
SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from training_world import make_job
from strive.configs.errors import StriveError
from strive.stages.train.stage import train
try:
    train(make_job(Path({folder!r}), {model!r}, run={run!r}, **{changes!r}))
except StriveError as error:
    print(error, file=sys.stderr)
    sys.exit(error.code)
"""


def in_child(job: TrainJob, fault_at: str = "") -> int:
    """Train in a forked child (torch is loaded already); returns its process id. It exits with the error's code."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if fault_at:
            os.environ["STRIVE_FAULT"], fault._points = fault_at, 0
        train(job)
        code = 0
    except StriveError as error:
        code = error.code
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """The child's exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(run: Path) -> dict[str, Any]:
    """All that must be equal: bytes of checkpoints and policy, rows of the ledgers but for what a process spent."""
    found: dict[str, Any] = {
        str(p.relative_to(run)): p.read_bytes() for folder in ("checkpoints", "policy", "best")
        for p in sorted((run / folder).rglob("*")) if p.is_file()}
    found["metrics"] = [{name: value for name, value in row.items() if name not in OF_THE_PROCESS}
                        for row in read_jsonl(run / "metrics.jsonl")]
    found["rollouts"] = read_jsonl(run / "rollouts.jsonl")
    return found


def assert_same(left: Path, right: Path) -> None:
    one, two = content(left), content(right)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name] == two[name], name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, qwen25: Path) -> Path:
    """A run of four steps that nothing stopped, with a checkpoint every two."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(make_job(folder, qwen25))
    return folder / "run"


def test_two_and_two_steps_are_four_steps(tmp_path: Path, qwen25: Path, undisturbed: Path) -> None:
    assert train(make_job(tmp_path, qwen25, train__steps=2)).step == 2
    torch.rand(7)
    outcome = train(make_job(tmp_path, qwen25))
    assert (outcome.steps_done, outcome.step, outcome.resumed_from) == (2, 4, 2)
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.parametrize("changes", [
    {"train__kl_beta": 0.1, "train__inner_epochs": 2}, {"train__lora_rank": 2}, {"train__dtype": "bfloat16"},
    {"train__freeze_vision": False, "train__warmup_steps": 3},
    {"train__tokens_per_microbatch": 300, "train__loss": "grpo"},
])
def test_every_kind_of_run_resumes_bit_for_bit(tmp_path: Path, qwen25: Path, changes: dict[str, Any]) -> None:
    if "train__lora_rank" in changes:
        pytest.importorskip("peft")
    whole = make_job(tmp_path, qwen25, run="whole", **changes)
    train(whole)
    for steps in (2, 4):
        train(make_job(tmp_path, qwen25, run="parts", train__steps=steps, **changes))
    assert_same(tmp_path / "parts", whole.run)


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


def killed_at(tmp_path: Path, model: Path, shares: list[float], kind: str = "kill") -> None:
    """Kill at these shares of all write points, resume, and compare with a run that was left alone."""
    changes = {"train__steps": 2, "train__checkpoint_every": 1}
    whole = make_job(tmp_path, model, run="whole", **changes)
    os.environ["STRIVE_FAULT"], fault._points = "write:1000000:kill", 0
    try:
        train(whole)
    finally:
        del os.environ["STRIVE_FAULT"]
    assert fault._points > 60
    for point in sorted({int(fault._points * share) for share in shares}):
        job = make_job(tmp_path, model, run=f"run{point}", **changes)
        assert exit_code(in_child(job, f"write:{point}:{kind}")) == -signal.SIGKILL, point
        working = (job.run / "last_item.json").is_file()
        train(replace(job, reporter=(notes := Notes())))
        assert working == any("was killed in step" in line for line in notes.lines)
        assert_same(job.run, whole.run)
        assert not list(job.run.rglob(".tmp-*")), point
        assert train(job).steps_done == 0


def test_killed_between_the_files_of_a_checkpoint_the_one_before_is_used(tmp_path: Path, qwen25: Path) -> None:
    killed_at(tmp_path, qwen25, [0.15, 0.35, 0.5, 0.65, 0.8, 0.97])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_killed_at_every_write_the_run_ends_the_same(tmp_path: Path, qwen25: Path, kind: str) -> None:
    killed_at(tmp_path, qwen25, [i / 80 for i in range(2, 80)], kind)


def test_a_torn_checkpoint_is_swept_and_a_damaged_one_passed_over_in_words(
    tmp_path: Path, qwen25: Path, undisturbed: Path
) -> None:
    job = replace(make_job(tmp_path, qwen25), reporter=(notes := Notes()))
    train(make_job(tmp_path, qwen25))
    (job.run / "results.json").unlink()
    torn = job.run / "checkpoints" / "step_000006"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    newest = job.run / "checkpoints" / "step_000004" / "optimizer.safetensors"
    newest.chmod(0o644)
    data = bytearray(newest.read_bytes())
    data[-5] ^= 1
    newest.write_bytes(data)
    assert train(job).resumed_from == 2
    assert any("step_000006" in line and "not complete" in line for line in notes.lines)
    assert any("step_000004" in line and "not the bytes that were written" in line for line in notes.lines)
    assert_same(job.run, undisturbed)


def test_with_every_checkpoint_damaged_the_run_refuses_rather_than_starting_over(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__steps=2)
    train(job)
    (job.run / "results.json").unlink()
    file = job.run / "checkpoints" / "step_000002" / "state.json"
    file.chmod(0o644)
    file.write_text(file.read_text().replace('"step": 2', '"step": 3'))
    with pytest.raises(VerificationError) as caught:
        train(job)
    assert caught.value.code == 6


@pytest.mark.parametrize(("changes", "words"), [
    ({"train__learning_rate": 2e-3}, "train.learning_rate: 0.001 -> 0.002"),
    ({"train__seed": 5, "train__loss": "grpo"}, "train.loss: dapo -> grpo; train.seed: 0 -> 5"),
    ({"train__rewards": {"busy": 0.5}}, "train.rewards: {busy: 1.0} -> {busy: 0.5}"),
    ({"train__threads": 2}, "train.threads: 1 -> 2"),
    ({"variants__frames": 6}, "variants.frames: 4 -> 6"),
    ({"bundles": 6}, "data: 5 bundles"),
])
def test_other_settings_are_refused_by_name(
    tmp_path: Path, qwen25: Path, changes: dict[str, Any], words: str
) -> None:
    train(make_job(tmp_path, qwen25, train__steps=1))
    before = content(tmp_path / "run")
    with pytest.raises(UsageError) as caught:
        train(make_job(tmp_path, qwen25, train__steps=2, **changes))
    assert words in caught.value.what and caught.value.code == 2
    assert content(tmp_path / "run") == before


def test_another_model_is_refused_and_the_same_model_elsewhere_is_not(
    tmp_path: Path, qwen25: Path, qwen3: Path
) -> None:
    import shutil

    train(make_job(tmp_path, qwen25, train__steps=1))
    with pytest.raises(UsageError, match="model weights: sha256:"):
        train(make_job(tmp_path, qwen3, train__steps=2))
    copy = shutil.copytree(qwen25, tmp_path / "copy")
    assert train(make_job(tmp_path, copy, train__steps=2)).resumed_from == 1


def test_logging_and_checkpoint_keys_may_change_on_resume(tmp_path: Path, qwen25: Path) -> None:
    train(make_job(tmp_path, qwen25, train__steps=2))
    def restless(policy: Any, step: int) -> dict[str, float]:
        return {"accuracy": float(torch.rand(()))}

    outcome = train(make_job(tmp_path, qwen25, train__steps=4, train__checkpoint_every=1, train__keep_checkpoints=3,
                             train__eval_every=1, evaluate=restless))
    assert outcome.step == 4
    again = make_job(tmp_path, qwen25, run="plain")
    train(again)
    ours, theirs = again.run / "policy", tmp_path / "run" / "policy"
    assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()


def test_a_run_in_another_precision_is_refused_not_rounded(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `dtype: auto` means differs between a CPU and a GPU."""
    train(make_job(tmp_path, qwen25, train__steps=1))
    from strive.stages.vlm import load as loading

    monkeypatch.setattr(loading, "choose_dtype", lambda name, device: torch.bfloat16)
    with pytest.raises(UsageError, match="is torch.float32, here it would be torch.bfloat16"):
        train(make_job(tmp_path, qwen25, train__steps=2))


def test_the_recorded_thread_count_is_used_again(tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(make_job(tmp_path, qwen25, train__steps=1, train__threads=1))
    monkeypatch.setattr("strive.stages.train.threads.available", lambda: 7)
    assert train(make_job(tmp_path, qwen25, train__steps=2, train__threads=0)).resumed_from == 1


def test_force_starts_over(tmp_path: Path, qwen25: Path) -> None:
    train(make_job(tmp_path, qwen25, train__steps=1))
    outcome = train(make_job(tmp_path, qwen25, train__steps=2, train__seed=3, force=True))
    assert outcome.resumed_from is None and outcome.steps_done == 2


class Poisoned(PlainEngine):
    """Puts NaN into the gradients of chosen steps, as an overflow does."""

    steps: tuple[int, ...] = ()

    def update(self, rows: Any, advantages: Any, step: int) -> Any:
        if step in self.steps:
            plain = self.optimizer.apply

            def apply(number: int) -> Any:
                next(iter(self.optimizer.params.values())).grad.fill_(float("nan"))  # type: ignore[union-attr]
                self.optimizer.apply = plain  # type: ignore[method-assign]
                return plain(number)

            self.optimizer.apply = apply  # type: ignore[method-assign]
        return super().update(rows, advantages, step)


def test_a_step_that_is_not_finite_is_skipped_and_counted(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PlainEngine", Poisoned)
    monkeypatch.setattr(Poisoned, "steps", (1,))
    outcome = train(make_job(tmp_path, qwen25))
    rows = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert [row["skipped"] for row in rows] == [0, 1, 0, 0] and rows[1]["grad_norm"] is None
    weights = torch.cat([t.flatten() for t in load(outcome.policy / "model.safetensors").values()])
    assert torch.isfinite(weights).all()


def test_three_in_a_row_stop_the_run_and_name_the_last_good_checkpoint(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PlainEngine", Poisoned)
    monkeypatch.setattr(Poisoned, "steps", (2, 3, 4))
    with pytest.raises(StoppedError, match="3 times in a row") as caught:
        train(make_job(tmp_path, qwen25, train__steps=9))
    assert caught.value.code == 4 and str(tmp_path / "run/checkpoints/step_000004") in str(caught.value)
    assert len(read_jsonl(tmp_path / "run" / "metrics.jsonl")) == 5


def load(file: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


class Cramped(PlainEngine):
    """Has room for a given number of tokens in all forwards of an update, as a small GPU has."""

    room: int = 0
    sizes: list[int] = []

    def update(self, rows: Any, advantages: Any, step: int) -> Any:
        tokens = sum(len(view) for view in {row.view for row in rows})
        self.sizes.append(tokens)
        if tokens > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().update(rows, advantages, step)


def test_a_question_that_does_not_fit_into_memory_is_left_out_and_listed(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    monkeypatch.setattr(session, "PlainEngine", Cramped)
    monkeypatch.setattr(Cramped, "room", 740)
    monkeypatch.setattr(Cramped, "sizes", [])
    job = make_job(tmp_path, qwen25, bundles=4, train__steps=4, reporter=notes)
    large = make_job(tmp_path, qwen25, bundles=5, variants__frames=12).bundles[4]
    outcome = train(replace(job, bundles=[*job.bundles, large]))
    assert outcome.step == 4 and max(Cramped.sizes) > 740
    (failed,) = outcome.failed
    assert failed["id"] == "q4" and "out of memory: prompt of" in failed["reason"]
    assert any("half the tokens a forward" in line for line in notes.lines)


def test_no_room_for_any_question_stops_with_the_setting_to_lower(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PlainEngine", Cramped)
    with pytest.raises(StoppedError) as caught:
        train(make_job(tmp_path, qwen25, train__prompts_per_step=5))
    assert caught.value.code == 4 and "train.tokens_per_microbatch" in str(caught.value)

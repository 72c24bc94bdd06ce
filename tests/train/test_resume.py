"""A resumed run is the undisturbed run bit for bit, whatever stopped it; changed settings are refused."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_world import Notes, assert_same, content, exit_code, in_child, make_job

from strive.cache import fault
from strive.configs.errors import MissingError, UsageError, VerificationError
from strive.stages.train.stage import train


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


@pytest.mark.parametrize("model", ["/no/such/model", "policy", "damaged"])
def test_force_deletes_nothing_when_the_run_cannot_start(tmp_path: Path, qwen25: Path, model: str) -> None:
    import shutil

    train(make_job(tmp_path, qwen25, train__steps=1))
    before = content(tmp_path / "run")
    if model == "policy":
        model = str(tmp_path / "run")
    elif model == "damaged":
        broken = Path(shutil.copytree(qwen25, tmp_path / "damaged")) / "model.safetensors"
        broken.write_bytes(broken.read_bytes()[:-1000])
        model = str(broken.parent)
    with pytest.raises((UsageError, MissingError)) as caught:
        train(make_job(tmp_path, model, train__steps=1, force=True))
    assert ("lies inside" in str(caught.value)) == (model == str(tmp_path / "run"))
    assert content(tmp_path / "run") == before and (tmp_path / "run" / "results.json").is_file()


def test_force_starts_over(tmp_path: Path, qwen25: Path) -> None:
    train(make_job(tmp_path, qwen25, train__steps=1))
    outcome = train(make_job(tmp_path, qwen25, train__steps=2, train__seed=3, force=True))
    assert outcome.resumed_from is None and outcome.steps_done == 2

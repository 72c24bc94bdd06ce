"""Numbers that are not finite and questions that do not fit: counted, listed, and stopped in words."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_world import Notes, make_job

from strive.cache.ledger import read_jsonl
from strive.configs.errors import MissingError, StoppedError
from strive.stages.train import assembly
from strive.stages.train.engine.prefix_engine import PrefixEngine
from strive.stages.train.stage import train


class Poisoned(PrefixEngine):
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
    monkeypatch.setattr(assembly, "PrefixEngine", Poisoned)
    monkeypatch.setattr(Poisoned, "steps", (1,))
    outcome = train(make_job(tmp_path, qwen25))
    rows = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert [row["skipped"] for row in rows] == [0, 1, 0, 0] and rows[1]["grad_norm"] is None
    weights = torch.cat([t.flatten() for t in load(outcome.policy / "model.safetensors").values()])
    assert torch.isfinite(weights).all()


def test_three_in_a_row_stop_the_run_and_name_the_last_good_checkpoint(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "PrefixEngine", Poisoned)
    monkeypatch.setattr(Poisoned, "steps", (2, 3, 4))
    with pytest.raises(StoppedError, match="3 times in a row") as caught:
        train(make_job(tmp_path, qwen25, train__steps=9))
    assert caught.value.code == 4 and str(tmp_path / "run/checkpoints/step_000004") in str(caught.value)
    assert len(read_jsonl(tmp_path / "run" / "metrics.jsonl")) == 5


def load(file: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


class Cramped(PrefixEngine):
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
    monkeypatch.setattr(assembly, "PrefixEngine", Cramped)
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
    monkeypatch.setattr(assembly, "PrefixEngine", Cramped)
    with pytest.raises(StoppedError) as caught:
        train(make_job(tmp_path, qwen25, train__prompts_per_step=5))
    assert caught.value.code == 4 and "train.tokens_per_microbatch" in str(caught.value)


def test_lora_without_peft_is_refused_before_anything_is_made(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingError, match="needs peft"):
        train(make_job(tmp_path, qwen25, train__lora_rank=2))
    assert not (tmp_path / "run").exists()

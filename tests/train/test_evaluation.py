"""Measuring while training: what could not be asked is listed, another evaluation starts the best policy anew."""

import json
from pathlib import Path
from typing import Any

import pytest
from training_world import Notes, make_job

from strive.stages.train.stage import train


def measuring(accuracy: float, *failed: str) -> Any:
    lost = [{"id": name, "reason": "no frames"} for name in failed]
    return lambda policy, step: {"accuracy": accuracy, "failed": lost}


def test_what_an_evaluation_could_not_ask_is_listed_once_and_again_when_finished(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__steps=2, train__eval_every=1, evaluate=measuring(0.5, "e1", "q0"))
    outcome = train(job)
    assert outcome.failed == [{"id": name, "reason": "eval: no frames"} for name in ("e1", "q0")]
    assert train(job).failed == outcome.failed
    assert "eval_failed" not in outcome.metrics


@pytest.mark.parametrize(("digest", "best", "failed"), [("one", 0.9, ["old"]), ("two", 0.2, [])])
def test_scores_of_another_evaluation_are_not_compared(
    tmp_path: Path, qwen25: Path, digest: str, best: float, failed: list[str]
) -> None:
    train(make_job(tmp_path, qwen25, train__steps=1, evaluate=measuring(0.9, "old"), eval_digest="one"))
    outcome = train(make_job(tmp_path, qwen25, train__steps=2, evaluate=measuring(0.2), eval_digest=digest,
                             reporter=(notes := Notes())))
    assert json.loads((tmp_path / "run" / "best.json").read_text())["accuracy"] == best
    assert [one["id"] for one in outcome.failed] == failed
    assert any("gives way" in line for line in notes.lines) == (digest == "two")

"""Figures that are not those of the questions asked say so, and one run is computed in one dtype."""

import json
from pathlib import Path

import pytest
from eval_jobs import job_of

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import UsageError
from strive.stages.eval.stage import run_eval
from strive.stages.reporter import Silent


class Breaks(Silent):
    """Fails where a machine would: between loading the policy and the first answer of this run."""

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
        if stage == "eval":
            raise OSError("No space left on device")


def test_figures_of_fewer_questions_do_not_look_current_while_more_are_asked(
    tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    few = dataset.with_name("few.jsonl")
    few.write_text("".join(dataset.read_text().splitlines(keepends=True)[:3]))
    run = tmp_path / "run"
    results = run / "results.json"
    run_eval(job_of(run, tiny, few, shared_store))
    assert json.loads(results.read_text())["complete"] is True
    whole = job_of(run, tiny, dataset, shared_store)
    whole.reporter = Breaks()
    with pytest.raises(OSError, match="space"):
        run_eval(whole)
    stale = json.loads(results.read_text())
    assert stale["complete"] is False and stale["n"] == 3
    results.write_text("{")
    assert run_eval(job_of(run, tiny, dataset, shared_store)).results["n"] == 9
    assert json.loads(results.read_text())["complete"] is True


def test_a_run_computed_in_another_dtype_is_not_gone_on_with(
    tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    run = tmp_path / "run"
    run_eval(job_of(run, tiny, dataset, shared_store))
    recipe = json.loads((run / "recipe.json").read_text())
    assert recipe["dtype"] == "float32" and recipe["eval.dtype"] == "auto"
    (run / "recipe.json").write_text(json.dumps({**recipe, "dtype": "bfloat16"}))  # as a GPU leaves it
    rows = (run / "predictions.jsonl").read_text().splitlines(keepends=True)
    assert run_eval(job_of(run, tiny, dataset, shared_store)).done == 0  # nothing is computed here
    (run / "predictions.jsonl").write_text("".join(rows[:-1]))
    with pytest.raises(UsageError, match="dtype: bfloat16 -> float32"):
        run_eval(job_of(run, tiny, dataset, shared_store))
    assert len(read_jsonl(run / "predictions.jsonl")) == 8
    assert json.loads((run / "results.json").read_text())["complete"] is False

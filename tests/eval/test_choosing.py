"""Frames chosen for each question by its scores: seeded, told in the recipe, never replaced by uniform ones."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eval_jobs import job_of, small_config

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.choosing import READS, described, frame_choice
from strive.stages.eval.answering.footage import chosen_by, footage_of
from strive.stages.eval.answering.shown import Screen
from strive.stages.eval.benchmarks.data import from_dataset
from strive.stages.eval.recipe import recipe_of
from strive.stages.eval.stage import run_eval
from strive.stages.frames.scores import Scores
from strive.stages.plan import Item, Job
from strive.stages.score.stage import ScoreMaker
from strive.stages.tasks.sample import Question
from strive.stages.views.samplers import SAMPLERS, SamplerParams
from strive.stages.views.uniform import uniform_indices

HASH = "score.scorer=hash"
BY_SCORE = ("eval.sampler=importance", HASH)


def scores_of(question: Question) -> Scores:
    values = np.linspace(-1, 1, 40).astype(np.float32)
    return Scores(values, values, np.arange(40.0), np.zeros((0, 4)), np.zeros((40, 0), np.float32))


def asked(name: str) -> Question:
    return Question(name, "v.mp4", "What?", None, "open")


def test_uniform_frames_need_no_scores_and_leave_the_recipe_as_it_was(tmp_path: Path) -> None:
    config = small_config()
    choice = frame_choice(config.eval, config.variants)
    assert not choice.by_question and choice.indices(asked("a"), 40).tolist() == uniform_indices(40, 4).tolist()
    chosen = chosen_by(config, Store(tmp_path))
    assert chosen == {} and recipe_of(config, "b", "m", chosen) == recipe_of(config, "b", "m")


@pytest.mark.parametrize("name", ["importance", "gumbel", "topk", "binmax", "its", "aks"])
def test_chosen_frames_depend_on_seed_and_question_alone(name: str) -> None:
    variants = VariantsConfig(tau=0.7)
    chosen = {(seed, who): frame_choice(EvalConfig(sampler=name, frames=8, seed=seed), variants).indices(
        asked(who), 40, scores_of).tolist() for seed in (0, 1) for who in "ab"}
    again = frame_choice(EvalConfig(sampler=name, frames=8), variants).indices(asked("a"), 40, scores_of).tolist()
    assert again == chosen[0, "a"] and all(len(set(one)) == 8 and one == sorted(one) for one in chosen.values())
    drawn = name in ("importance", "gumbel")
    assert len({tuple(one) for one in chosen.values()}) == (4 if drawn else 1)


@pytest.mark.parametrize("name", sorted(READS))
def test_a_recipe_names_every_setting_that_its_sampler_reads_and_no_other(name: str) -> None:
    """A recipe that left one out would let two different measurements go on in one run folder."""
    z, plain = np.random.default_rng(0).normal(size=300), SamplerParams()
    others = {"tau": 5.0, "coverage": 0.0, "its_power": 6.0, "aks_depth": 0, "aks_threshold": 0.1}
    drawn = {}
    for field, value in {"": None, **others}.items():
        params = replace(plain, **{field: value}) if field else plain
        drawn[field] = SAMPLERS[name](z, 24, np.random.default_rng(1), params).tolist()
    assert {field for field in others if drawn[field] != drawn[""]} == set(READS[name])


def test_importance_is_the_sampler_of_the_variants_with_its_settings() -> None:
    choice = frame_choice(EvalConfig(sampler="importance"), VariantsConfig(sampler="strat_gumbel", tau=0.25))
    assert choice.recipe() == {"sampler": "strat_gumbel", "tau": 0.25, "coverage": 0.5}
    assert described(choice.recipe()) == "strat_gumbel (tau 0.25, coverage 0.5)"
    assert frame_choice(EvalConfig(sampler="topk"), VariantsConfig(tau=0.25)).recipe() == {"sampler": "topk"}


def test_what_cannot_be_done_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="unifrom"):
        frame_choice(EvalConfig(sampler="unifrom"))
    with pytest.raises(UsageError, match="swapped"):
        frame_choice(EvalConfig(sampler="importance", control="swapped"))
    choice = frame_choice(EvalConfig(sampler="topk", frames=4))
    with pytest.raises(ItemError, match="no scores"):
        choice.indices(asked("a"), 40)
    with pytest.raises(ItemError, match="40 frames for a video of 39"):
        choice.indices(asked("a"), 39, scores_of)


def test_questions_about_one_video_are_shown_their_own_frames_whatever_the_answer_is(
    dataset: Path, shared_store: Store
) -> None:
    config = small_config(*BY_SCORE)
    data = from_dataset(dataset, dataset.parent)
    footage = footage_of(data, Job(config, shared_store))
    choice = frame_choice(config.eval, config.variants)

    def times(answer: str) -> dict[str, Any]:
        samples = [replace(sample, answer=answer) for sample in data.samples]
        screen = Screen(samples, footage.frames_of, config.eval, choice, footage.scores_of)
        assert len({screen.place(sample) for sample in samples}) == 9
        return {sample.id: screen.show(sample).times.tolist() for sample in samples}

    shown = times("A")
    assert shown == times("B") and len({tuple(shown[f"a-{kind}"]) for kind in ("mc", "count", "open")}) > 1


def rows_of(run: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in read_jsonl(run / "predictions.jsonl")}


def test_a_run_says_how_its_frames_were_chosen_and_goes_on_only_with_the_same(
    tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    outcome = run_eval(job_of(run, tiny, dataset, shared_store, *BY_SCORE))
    assert (outcome.done, outcome.failed, outcome.results["n_unscored"]) == (9, [], 0)
    recipe = outcome.results["recipe"]
    assert recipe["chosen.sampler"] == "strat_gumbel" and recipe["chosen.scorer"] == {"scorer": "hash"}
    undisturbed = rows_of(run)
    lines = (run / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (run / "predictions.jsonl").write_bytes(b"".join(lines[:4]))
    assert run_eval(job_of(run, tiny, dataset, shared_store, *BY_SCORE)).done == 5 and rows_of(run) == undisturbed
    for change in ("variants.tau=2", "score.text=question+options", "eval.sampler=topk", "eval.seed=1"):
        with pytest.raises(UsageError, match="another recipe"):
            run_eval(job_of(run, tiny, dataset, shared_store, *BY_SCORE, change))
    assert run_eval(job_of(run, tiny, dataset, shared_store, *BY_SCORE, "variants.frames=5")).done == 0


def test_a_question_without_scores_is_reported_apart_and_never_asked(
    tmp_path: Path, tiny: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ScoreMaker.ask

    def broken(self: ScoreMaker, item: Item) -> Any:
        if item.id == "b-open":
            raise ItemError("the text cannot be embedded")
        return ask(self, item)

    monkeypatch.setattr(ScoreMaker, "ask", broken)
    store = Store(tmp_path / "cache")
    outcome = run_eval(job_of(tmp_path / "run", tiny, dataset, store, *BY_SCORE))
    assert [one["id"] for one in outcome.failed] == ["b-open"] and "not scored" in outcome.failed[0]["reason"]
    assert (outcome.results["n"], outcome.results["n_unscored"], outcome.results["n_undecodable"]) == (8, 1, 0)
    assert "b-open" not in rows_of(tmp_path / "run")
    monkeypatch.undo()
    assert run_eval(job_of(tmp_path / "run", tiny, dataset, store, *BY_SCORE)).done == 1
    assert json.loads((tmp_path / "run" / "results.json").read_text())["n_unscored"] == 0

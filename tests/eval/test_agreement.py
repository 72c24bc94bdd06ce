"""Agreement over variants: exact figures, a blind policy agrees with itself, a stopped run goes on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from eval_jobs import small_config

from strive.cache.ledger import read_jsonl
from strive.cache.store import Artefact, Store
from strive.configs.errors import UsageError
from strive.stages import registry
from strive.stages.eval.agreement import agreeing, agreement, figures
from strive.stages.eval.agreement_run import AgreementJob
from strive.stages.eval.benchmarks.data import from_dataset
from strive.stages.plan import Job, VideoRef
from strive.stages.reporter import Silent
from strive.stages.runner import run_chain
from strive.stages.vlm.load import load_policy

SETS = ("score.scorer=hash", "score.tiles=2", "variants.frames=4", "variants.count=3", "eval.max_new_tokens=32",
        "variants.operators=[canonical, draw, salient_crop]", "variants.contrast=[reverse]")
CONFIG = small_config(*SETS)


@pytest.fixture(scope="module")
def bundles(dataset: Path, shared_store: Store) -> dict[str, Artefact]:
    data = from_dataset(dataset, dataset.parent)
    videos = {sample.video: data.video_path(sample) for sample in data.samples}
    job = Job(CONFIG, shared_store, samples=data.samples, videos=[VideoRef(*one) for one in videos.items()])
    run_chain("variants", job)
    return {name: one for name, one in job.results["variants"].items() if isinstance(one, Artefact)}


def test_the_share_of_pairs_that_agree_is_exact() -> None:
    assert agreeing(["A", "A", "B"]) == pytest.approx(1 / 3) and agreeing(["A", "A", "A", "A"]) == 1.0
    assert agreeing([None, None]) == 0.0 and agreeing(["A", None, "A"]) == pytest.approx(1 / 3)
    assert agreeing(["A"]) is None and agreeing([]) is None


def row(name: str, family: str, parsed: list[str | None], scores: list[float]) -> Mapping[str, Any]:
    return {"id": name, "family": family, "parsed": parsed, "scores": scores}


def test_figures_are_means_over_questions_with_pairs() -> None:
    found = figures([row("a", "x", ["A", "A", "B"], [1, 1, 0]), row("b", "y", ["2", "2"], [0, 0]),
                     row("c", "y", ["2"], [1]), row("d", "x", [None, None, "A"], [0, 0, 1])])
    assert (found["questions"], found["variants"]) == (3, 3) and found["agreement"] == pytest.approx((1 / 3 + 1) / 3)
    assert found["accuracy_by_variant"] == [0.5, 1 / 3, 0.5] and found["unread"] == pytest.approx(2 / 9)
    assert found["families"]["y"] == {"questions": 1, "variants": 2, "agreement": 1.0, "accuracy_by_variant": [0.5, 0],
                                      "unread": 0.0}
    assert figures([])["agreement"] is None


def test_a_policy_that_never_looks_agrees_with_itself(bundles: dict[str, Artefact]) -> None:
    blind = load_policy("demo", device="cpu", max_pixels=3136, min_pixels=784)
    blind.encode_view = lambda clips, times, text: blind.encode_text(text)  # type: ignore[method-assign]
    answerable = {name: one for name, one in bundles.items() if not name.endswith("mc")}  # this policy knows no letters
    found = agreement(blind, answerable, CONFIG.eval, Silent())
    assert (found["questions"], found["variants"], found["failed"]) == (6, 3, [])  # the contrast view is not asked
    assert found["unread"] == 0.0 and found["agreement"] == 1.0
    assert len(set(found["accuracy_by_variant"])) == 1 and set(found["families"]) == {"counting", "colour"}


def run_at(folder: Path, tiny: Path, bundles: Mapping[str, Artefact], *sets: str, **options: Any) -> dict[str, Any]:
    job = AgreementJob(small_config(*SETS, "eval.max_new_tokens=6", *sets), folder, str(tiny), bundles, **options)
    found: dict[str, Any] = registry.run("agreement")(job)
    return found


def test_a_stopped_run_ends_like_an_undisturbed_one_and_refuses_other_settings(
    tmp_path: Path, tiny: Path, bundles: dict[str, Artefact]
) -> None:
    whole = run_at(tmp_path / "whole", tiny, bundles)
    said = (tmp_path / "whole" / "answers.jsonl").read_bytes()
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_bytes((tmp_path / "whole" / "recipe.json").read_bytes())
    lines = said.splitlines(keepends=True)
    (run / "answers.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:30])
    assert run_at(run, tiny, bundles) == whole == json.loads((run / "agreement.json").read_text())
    assert (run / "answers.jsonl").read_bytes() == said and len(read_jsonl(run / "answers.jsonl")) == 9
    assert run_at(run, tiny, bundles) == whole
    for change in ("eval.prompt_format=direct", "eval.max_new_tokens=7", "eval.max_pixels=784"):
        with pytest.raises(UsageError, match="another recipe"):
            run_at(run, tiny, bundles, change)
    fewer = {name: one for name, one in bundles.items() if name != "a-mc"}
    with pytest.raises(UsageError, match="bundles"):
        run_at(run, tiny, fewer)
    assert run_at(run, tiny, fewer, force=True)["questions"] == 8
    with pytest.raises(UsageError, match="no bundles"):
        run_at(tmp_path / "none", tiny, {})


def test_a_question_larger_than_the_budget_is_answered_in_parts(
    tmp_path: Path, tiny: Path, bundles: dict[str, Artefact]
) -> None:
    whole = run_at(tmp_path / "whole", tiny, bundles, "eval.batch_tokens=100000")
    parts = run_at(tmp_path / "parts", tiny, bundles, "eval.batch_tokens=1")
    assert parts["agreement"] == whole["agreement"] and parts["questions"] == 9

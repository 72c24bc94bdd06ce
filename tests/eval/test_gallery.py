"""What a policy sees of held-out videos is made once, and gives the answers that making it each time gives."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from eval_jobs import small_config
from tiny_models import make_tiny_model

from strive.cache.store import Store
from strive.configs.schema import Config
from strive.stages.eval.answering.footage import Footage, footage_of
from strive.stages.eval.answering.gallery import Gallery, hung
from strive.stages.eval.answering.local import LocalAnswerer
from strive.stages.eval.answering.shown import Screen
from strive.stages.eval.benchmarks.data import BenchData, from_dataset
from strive.stages.eval.evaluate import evaluate
from strive.stages.eval.inquiry import Inquiry
from strive.stages.eval.stage import evaluator, screen_of
from strive.stages.plan import Job
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.policy import Policy

CONFIG = small_config()


@pytest.fixture(scope="module")
def data(dataset: Path) -> BenchData:
    return from_dataset(dataset, dataset.parent)


@pytest.fixture(scope="module")
def footage(data: BenchData, shared_store: Store) -> Footage:
    return footage_of(data, Job(CONFIG, shared_store))


def loaded(folder: Path, **options: Any) -> Policy:
    return load_policy(str(folder), device="cpu", max_pixels=3136, min_pixels=784, **options)


@pytest.fixture
def policy(tiny: Path) -> Iterator[Policy]:
    yield loaded(tiny)


def answers(policy: Policy, data: BenchData, footage: Footage, gallery: Gallery | None,
            config: Config = CONFIG) -> dict[str, str]:
    answerer = LocalAnswerer(policy, screen_of(data.samples, footage, config), config.eval, gallery or Gallery())
    done = evaluate(answerer, data, Inquiry(config.eval, data))
    return {name: row["prediction"] for name, row in done.rows.items()}


def test_a_second_evaluation_decodes_and_encodes_nothing_and_answers_the_same(
    policy: Policy, data: BenchData, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    frames_of = Footage.frames_of
    monkeypatch.setattr(Footage, "frames_of", lambda self, sample: read.append(sample.video) or frames_of(self, sample))
    measure = evaluator(data.samples, footage, CONFIG)
    first = measure(policy, 0)
    assert (policy.encoder_calls, read) == (3, ["a.mp4", "b.mp4", "c.mp4"])
    assert measure(policy, 1) == first and (policy.encoder_calls, len(read)) == (3, 3)
    gallery = Gallery()
    fresh = answers(policy, data, footage, None)
    assert [answers(policy, data, footage, gallery) for _ in range(2)] == [fresh, fresh]


def test_a_prompt_made_from_a_layout_is_the_prompt_made_with_the_pixels(
    policy: Policy, data: BenchData, footage: Footage
) -> None:
    sample = data.samples[0]
    shown = Screen(data.samples, footage.frames_of, CONFIG.eval).show(sample)
    whole = policy.encode_view(shown.clips, shown.times, "Another question?")
    made = policy.adapter.encode_unseen(hung(policy, ("a.mp4", ""), shown).layouts,
                                        "Another question?")
    assert torch.equal(made.input_ids, whole.input_ids) and torch.equal(made.position_ids, whole.position_ids)
    assert made.grid_thw is not None and whole.grid_thw is not None and torch.equal(made.grid_thw, whole.grid_thw)
    assert (made.next_position, made.pixel_values) == (whole.next_position, None)


@pytest.mark.parametrize("limit", [0, 20_000])
def test_a_memory_bound_changes_no_answer(policy: Policy, data: BenchData, footage: Footage, limit: int) -> None:
    gallery = Gallery(limit)
    assert answers(policy, data, footage, gallery) == answers(policy, data, footage, Gallery())
    kept = list(gallery._held.values())
    assert len(kept) < 3 and gallery._total == sum(one.size_bytes() for one in kept)


def test_features_of_a_tower_that_is_trained_are_not_kept(tiny: Path, data: BenchData, footage: Footage) -> None:
    policy = loaded(tiny, trainable=True, freeze_vision=False)
    gallery = Gallery()
    before = answers(policy, data, footage, gallery)
    with torch.no_grad():
        for weight in policy.adapter.tower(policy.core).parameters():
            weight.copy_(torch.randn_like(weight))
    after = answers(policy, data, footage, gallery)
    assert policy.encoder_calls >= 6 and after == answers(policy, data, footage, Gallery()) and after != before


def test_another_policy_or_another_size_starts_afresh(
    tiny: Path, tmp_path: Path, policy: Policy, data: BenchData, footage: Footage
) -> None:
    other = loaded(make_tiny_model(tmp_path / "other", seed=5))
    gallery = Gallery()
    answers(policy, data, footage, gallery)
    assert answers(other, data, footage, gallery) == answers(other, data, footage, Gallery())
    answers(policy, data, footage, gallery)
    policy.adapter.max_pixels = 784
    assert answers(policy, data, footage, gallery) == answers(policy, data, footage, Gallery())

"""Variants of several clips through a training step: bundle, prompt, rollout and update; kept features fit them too."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES
from training_world import busy, make_job
from vision_world import assert_same_example, examples, loaded, model_of
from vision_world import make_job as job_that_keeps

from strive.stages.bundle.reader import Bundle
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.engine.prefix_engine import PrefixEngine
from strive.stages.train.engine.rollout import collect
from strive.stages.train.objective.advantages import compute
from strive.stages.train.questions.examples import Examples
from strive.stages.train.vision.unseen_view import pool_sizes, unseen_view, visual_tokens

FORMAT = PROMPT_FORMATS["think_answer"]
CLIPS = {"variants__operators": ["canonical", "canonical+crop_append", "tiers", "draw+noise+crop_append"],
         "variants__tier_pixels": 3136, "variants__crop_area": 0.3}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_trains_on_what_it_rolled_out(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, family: str
) -> None:
    job = make_job(tmp_path, model_of(tmp_path_factory, family), bundles=2, **CLIPS)
    policy = loaded(job)
    made = Examples(policy, dict(job.bundles), FORMAT, job.config.train)
    shown = [made.get(name) for name, _ in job.bundles]
    assert [len(view.inputs.extra["clips"]) for view in shown[0].views] == [1, 2, 2, 2]
    engine = PrefixEngine(policy, Optimizer(policy.model.named_parameters(), job.config.train), job.config.train)
    rows = collect(engine, shown, job.config.train.rollouts, seed=1)
    rewards = [busy(row.example.sample, FORMAT.parse(row.completion.text, True)) for row in rows]
    own = compute(rewards, [row.sample_id for row in rows], [row.variant_id for row in rows], job.config.train)
    before = {name: weight.detach().clone() for name, weight in policy.model.named_parameters()}
    update = engine.update(rows, own, 0)
    assert update.applied and update.gap_max < 1e-4
    assert any(not torch.equal(weight, before[name]) for name, weight in policy.model.named_parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_view_known_from_its_sizes_is_the_encoded_one(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, family: str
) -> None:
    job = make_job(tmp_path, model_of(tmp_path_factory, family), bundles=1, **CLIPS)
    adapter, path = loaded(job).adapter, job.bundles[0][1].file("bundle.h5")
    bundle, sizes = Bundle.open(path), pool_sizes(path)
    for variant in bundle.variants:
        seen, unseen = (adapter.encode_view(variant.clips(), variant.times, "What?"),
                        unseen_view(adapter, variant, sizes, "What?"))
        for name in ("input_ids", "position_ids", "mm_token_type_ids", "grid_thw"):
            assert torch.equal(getattr(seen, name), getattr(unseen, name)), name
        assert seen.extra == unseen.extra and seen.next_position == unseen.next_position
        assert seen.visual_tokens == visual_tokens(adapter, variant, sizes)
    assert not np.array_equal(sizes[0], sizes[-1])


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_features_of_several_clips_come_back_bit_for_bit(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, family: str
) -> None:
    job = job_that_keeps(tmp_path, model_of(tmp_path_factory, family), bundles=2, **CLIPS)
    policy = loaded(job)
    plain = Examples(policy, dict(job.bundles), FORMAT, job.config.train)
    first = examples(job, policy)
    for name, _ in job.bundles:
        assert_same_example(plain.get(name), first.get(name))
    again = examples(job, loaded(job))
    for name, _ in job.bundles:
        assert_same_example(plain.get(name), again.get(name))
    assert again.policy.encoder_calls == 0

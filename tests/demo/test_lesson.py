"""The lessons show the policy exactly what the toolkit's adapter will show it."""

import numpy as np
import torch
from transformers import AutoModelForImageTextToText

from strive.stages.demo.lesson import make_sheet, prompt_text, random_frames, see, uniform_frames
from strive.stages.demo.material import POOL_TIMES, make_material
from strive.stages.demo.pictures import RESIZERS, WHOLE, prepare_tower
from strive.stages.demo.policy_model import VIEW_FRAMES, VIEW_SIDE
from strive.stages.views.samplers import uniform_indices
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.resolve import resolve_model


def test_a_lesson_has_the_tokens_positions_and_features_of_the_adapter() -> None:
    policy = load_policy("demo", device="cpu", max_pixels=VIEW_SIDE**2, min_pixels=28 * 28)
    tower = AutoModelForImageTextToText.from_pretrained(resolve_model("demo"), dtype=torch.float32).model.visual
    prepare_tower(tower)
    material = make_material(seed=3, split="eval", videos=1)
    asked = material.scripts[0].asked[0]
    text = prompt_text(asked.wording, asked.family)
    frames = uniform_frames(len(POOL_TIMES), VIEW_FRAMES)
    taught = see(tower, material, 0, frames, WHOLE, RESIZERS[2])
    sheet = make_sheet(policy.tokenizer, [taught], [text], [None])
    view = policy.encode_view([material.frames[0, frames]], POOL_TIMES[frames], text)
    assert torch.equal(view.input_ids, sheet.ids[0])
    assert torch.equal(view.position_ids, sheet.positions[:, 0])
    [features] = policy.encode_vision([view])
    assert features is not None
    distance = (features.tokens - taught.features.float()).norm() / features.tokens.norm()
    assert distance < 0.05  # resized by two libraries, and stored in half precision


def test_uniform_frames_of_the_lessons_are_those_of_the_uniform_sampler() -> None:
    for pool in (8, 33, 40):
        assert np.array_equal(uniform_frames(pool, 8), uniform_indices(pool, 8))


def test_random_frames_take_one_of_each_bin() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        frames = random_frames(rng, 33, 8)
        assert len(np.unique(frames)) == 8 and frames.min() >= 0 and frames.max() < 33
        assert np.diff(frames).max() <= 9

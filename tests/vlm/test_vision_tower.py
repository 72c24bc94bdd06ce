"""The vision tower with batched segments computes what the original computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, QWEN
from torch import Tensor
from transformers import AutoModelForImageTextToText
from vlm_views import clip, mixed_views

from strive.stages.vlm import Policy, ViewInputs, load_policy
from strive.stages.vlm.batch import collate
from strive.stages.vlm.forward import joined, prompt_hidden


def their_features(original: Any, view: ViewInputs) -> tuple[Tensor, list[Tensor]]:
    """The features and deepstack levels that the original model gives for a view's pixels."""
    family, pixels = original.config.model_type, view.pixel_values
    assert pixels is not None and view.grid_thw is not None
    if family == "internvl":
        return original.get_image_features(pixel_values=pixels).pooler_output.flatten(0, 1), []
    if family == "llava_onevision":
        clips = pixels.split(view.grid_thw[:, 0].tolist())
        return torch.cat([original.get_video_features(clip[None]).pooler_output[0] for clip in clips]), []
    is_image = bool((view.mm_token_type_ids == 1).any())
    ask = original.model.get_image_features if is_image else original.model.get_video_features
    found = ask(pixels, view.grid_thw)
    levels = getattr(found, "deepstack_features", None) or []
    joined_levels = [level if isinstance(level, Tensor) else torch.cat(level) for level in levels]
    return torch.cat(found.pooler_output), joined_levels


def original_of(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_features_of_mixed_sizes_are_those_of_the_original_tower(
    family: str, policies: dict[str, Policy], model_folders: dict[str, Path]
) -> None:
    """Sizes differ, so windows and frames of several lengths are batched."""
    policy, original = policies[family], original_of(model_folders[family])
    views = mixed_views(policy)
    with torch.no_grad():
        for view, own in zip(views, policy.encode_vision(views), strict=True):
            if own is None:
                continue
            tokens, levels = their_features(original, view)
            torch.testing.assert_close(own.tokens, tokens, atol=1e-5, rtol=1e-4)
            assert len(own.deepstack) == len(levels)
            for level, expected in zip(own.deepstack, levels, strict=True):
                torch.testing.assert_close(level, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", QWEN)
def test_frames_as_images_have_the_features_of_the_original_tower(family: str, model_folders: dict[str, Path]) -> None:
    policy = load_policy(str(model_folders[family]), max_pixels=64 * 196, min_pixels=784, frame_pairing="images")
    original, view = original_of(model_folders[family]), policy.encode_view([clip(3)], np.arange(3), "What?")
    with torch.no_grad():
        own = policy.encode_vision([view])[0]
        tokens, levels = their_features(original, view)
    assert own is not None and len(own.tokens) == view.visual_tokens == 3 * 6
    torch.testing.assert_close(own.tokens, tokens, atol=1e-5, rtol=1e-4)
    assert len(own.deepstack) == len(levels)


def test_a_long_view_goes_through_in_parts(policies: dict[str, Policy], model_folders: dict[str, Path]) -> None:
    """More frames than go through the tower at once, in clips whose ends do not fall on the parts' ends."""
    for family in ("internvl", "llava_onevision"):
        policy = policies[family]
        view = policy.encode_view([clip(30, 1), clip(11, 2)], np.arange(41.0), "What?")
        with torch.no_grad():
            own = policy.encode_vision([view])[0]
            tokens, _ = their_features(original_of(model_folders[family]), view)
        assert own is not None
        torch.testing.assert_close(own.tokens, tokens, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_whole_forward_is_the_original_models(
    family: str, policies: dict[str, Policy], model_folders: dict[str, Path]
) -> None:
    """Features, deepstack levels, masks and positions end where the original model puts them."""
    policy, original = policies[family], original_of(model_folders[family])
    views = mixed_views(policy)[:4]
    if family == "llava_onevision":
        views = views[:3]  # the original takes one video, or several of one length
    batch = collate(views, policy.pad_id, policy.device)
    with torch.no_grad():
        features = joined([own for own in policy.encode_vision(views) if own is not None])
        ours = policy.core.lm_head(prompt_hidden(policy.core, policy.adapter, batch, features))
        for row, view in enumerate(views):
            theirs = original(input_ids=view.input_ids[None], **seen_by(family, view)).logits[0]
            torch.testing.assert_close(ours[row, :len(view)], theirs, atol=1e-4, rtol=1e-4)


def seen_by(family: str, view: ViewInputs) -> dict[str, Any]:
    """A view's pixels under the names of the original model; positions are left to it where they are plain."""
    assert view.pixel_values is not None
    if family == "internvl":
        return {"pixel_values": view.pixel_values}
    if family == "llava_onevision":
        return {"pixel_values_videos": view.pixel_values[None]}
    return {"pixel_values_videos": view.pixel_values, "video_grid_thw": view.grid_thw,
            "position_ids": view.position_ids[:, None], "mm_token_type_ids": view.mm_token_type_ids[None]}


def test_the_tower_runs_once_for_each_view(policy: Policy) -> None:
    views = mixed_views(policy)
    before = policy.encoder_calls
    with torch.no_grad():
        policy.logprobs([views[0], views[0], views[1], views[4]], [torch.tensor([40, 41])] * 4)
    assert policy.encoder_calls - before == 2

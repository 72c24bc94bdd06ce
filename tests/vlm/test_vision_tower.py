"""The vision tower with batched segments computes what the original computes."""

from pathlib import Path

import pytest
import torch
from tiny_models import FAMILIES
from transformers import AutoModelForImageTextToText
from vlm_views import mixed_views

from strive.stages.vlm import Policy
from strive.stages.vlm.batch import collate
from strive.stages.vlm.forward import joined, prompt_hidden


@pytest.mark.parametrize("family", FAMILIES)
def test_features_of_mixed_sizes_are_those_of_the_original_tower(
    family: str, policies: dict[str, Policy], model_folders: dict[str, Path]
) -> None:
    """Sizes differ, so windows and frames of several lengths are batched."""
    policy = policies[family]
    original = AutoModelForImageTextToText.from_pretrained(model_folders[family], dtype=torch.float32)
    views = mixed_views(policy)
    with torch.no_grad():
        ours = policy.encode_vision(views)
        for view, own in zip(views, ours, strict=True):
            if own is None:
                continue
            theirs = original.model.get_video_features(view.pixel_values, view.grid_thw)
            torch.testing.assert_close(own.tokens, torch.cat(theirs.pooler_output), atol=1e-5, rtol=1e-4)
            levels = getattr(theirs, "deepstack_features", None) or []
            assert len(own.deepstack) == len(levels)
            for level, expected in zip(own.deepstack, levels, strict=True):
                torch.testing.assert_close(level, torch.cat(expected), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_whole_forward_is_the_original_models(
    family: str, policies: dict[str, Policy], model_folders: dict[str, Path]
) -> None:
    """Features, deepstack levels, masks and positions end where the original model puts them."""
    policy = policies[family]
    original = AutoModelForImageTextToText.from_pretrained(model_folders[family], dtype=torch.float32)
    views = mixed_views(policy)[:4]
    batch = collate(views, policy.pad_id, policy.device)
    with torch.no_grad():
        features = joined([own for own in policy.encode_vision(views) if own is not None])
        ours = policy.core.lm_head(prompt_hidden(policy.core, policy.adapter, batch, features))
        for row, view in enumerate(views):
            theirs = original(
                input_ids=view.input_ids[None], pixel_values_videos=view.pixel_values, video_grid_thw=view.grid_thw,
                position_ids=view.position_ids[:, None], mm_token_type_ids=view.mm_token_type_ids[None]).logits[0]
            torch.testing.assert_close(ours[row, :len(view)], theirs, atol=1e-4, rtol=1e-4)


def test_the_tower_runs_once_for_each_view(policy: Policy) -> None:
    views = mixed_views(policy)
    before = policy.encoder_calls
    with torch.no_grad():
        policy.logprobs([views[0], views[0], views[1], views[4]], [torch.tensor([40, 41])] * 4)
    assert policy.encoder_calls - before == 2

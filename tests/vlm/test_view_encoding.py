"""What a view becomes: tokens, pixels, positions; compared with the processor's own output and with stored values."""

import numpy as np
import pytest
import torch
from transformers.video_utils import VideoMetadata
from vlm_views import clip, mixed_views

from strive.configs.errors import ItemError, UsageError
from strive.stages.vlm import Policy, load_policy
from strive.stages.vlm.sizing import resize_frames

# 8 frames of 90 x 160 at 0.5-second steps, "What colour?": a change here means that a new transformers release counts
# or places visual tokens differently, or that the chat's frame changed.
STORED = {
    "qwen2_5_vl": {"grid": [[4, 6, 10]], "visual_tokens": 60, "length": 99, "next_position": 46,
                   "temporal": [24, 26, 28, 30], "rows": [24, 26], "columns": [24, 28]},
    "qwen3_vl": {"grid": [[4, 6, 10]], "visual_tokens": 60, "length": 137, "next_position": 97,
                 "temporal": [32, 47, 62, 77], "rows": [32, 79], "columns": [32, 81]},
}


def test_token_counts_and_positions_are_the_stored_ones(policy: Policy) -> None:
    view = policy.encode_view([clip(8, height=90, width=160)], np.arange(8) * 0.5, "What colour?")
    seen = view.position_ids[:, view.mm_token_type_ids == 2]
    assert view.grid_thw is not None
    assert STORED[policy.core.config.model_type] == {
        "grid": view.grid_thw.tolist(), "visual_tokens": view.visual_tokens, "length": len(view),
        "next_position": view.next_position, "temporal": seen[0].unique().tolist(),
        "rows": [int(seen[1].min()), int(seen[1].max())], "columns": [int(seen[2].min()), int(seen[2].max())],
    }


def test_the_prompt_is_the_processors_own(policy: Policy) -> None:
    frames = clip(6, height=90, width=160)
    view = policy.encode_view([frames], np.arange(6) * 0.5, "What colour?")
    shown = resize_frames(frames, (84, 140))
    text = policy.processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What colour?"}]}],
        tokenize=False, add_generation_prompt=True)
    theirs = policy.processor(
        text=[text], videos=[shown], do_resize=False, do_sample_frames=False, return_tensors="pt",
        video_metadata=[VideoMetadata(total_num_frames=6, fps=2.0, frames_indices=list(range(6)))])
    ids = theirs["input_ids"][0].tolist()
    if policy.core.config.model_type == "qwen3_vl":  # 5.23 wraps the whole video in one more pair, see qwen3_vl.py
        ids.remove(policy.core.config.vision_start_token_id)
        ids.reverse()
        ids.remove(policy.core.config.vision_end_token_id)
        ids.reverse()
    assert view.input_ids.tolist() == ids
    assert torch.equal(view.pixel_values, theirs["pixel_values_videos"])
    assert torch.equal(view.grid_thw, theirs["video_grid_thw"])


def test_placeholders_are_as_many_as_features(policy: Policy) -> None:
    views = mixed_views(policy)
    with torch.no_grad():
        features = policy.encode_vision(views)
    for view, own in zip(views, features, strict=True):
        placeholders = int((view.input_ids == policy.core.config.video_token_id).sum())
        assert view.visual_tokens == placeholders == (0 if own is None else len(own.tokens))
        assert (view.mm_token_type_ids == 2).sum() == placeholders
        assert view.position_ids.shape == (3, len(view))


def test_two_samplings_of_one_video_reach_the_model_as_different_times(policy: Policy) -> None:
    frames = clip(4)
    early, late = (policy.encode_view([frames], np.arange(4) * step, "What colour?") for step in (1.0, 7.0))
    if policy.core.config.model_type == "qwen2_5_vl":
        assert torch.equal(early.input_ids, late.input_ids)
        assert not torch.equal(early.position_ids, late.position_ids)
    else:
        assert "<0.5 seconds>" in policy.tokenizer.decode(early.input_ids)
        assert "<17.5 seconds>" in policy.tokenizer.decode(late.input_ids)
    tokens = torch.tensor([40, 41, 42])
    with torch.no_grad():
        scores = policy.logprobs([early, late], [tokens, tokens]).logprobs
    assert (scores[0] - scores[1]).abs().max() > 1e-3


def test_what_was_done_to_the_frames_is_recorded(policy: Policy) -> None:
    odd, single = mixed_views(policy)[1:3]
    assert odd.extra["clips"] == [{"frames": 5, "repeated": 1, "size": [56, 84], "patch_times": [0.25, 1.25, 2.0]}]
    assert single.extra["clips"][0]["repeated"] == 1
    assert single.grid_thw is not None and single.grid_thw.tolist() == [[1, 4, 6]]


def test_a_single_frame_is_its_own_pair(policy: Policy) -> None:
    frame = clip(1)
    one = policy.encode_view([frame], np.array([3.0]), "Why?")
    two = policy.encode_view([np.concatenate([frame, frame])], np.array([3.0, 3.0]), "Why?")
    assert torch.equal(one.pixel_values, two.pixel_values) and torch.equal(one.position_ids, two.position_ids)


@pytest.mark.parametrize(("clips", "times"), [([], 0), ([0], 0), ([2], 3), ([2, 0], 2)])
def test_frames_and_times_that_do_not_match_are_refused(policy: Policy, clips: list[int], times: int) -> None:
    with pytest.raises(ItemError, match="frames and"):
        policy.encode_view([clip(count) for count in clips], np.arange(times), "What?")


@pytest.mark.parametrize("token", ["<|video_pad|>", "<|im_end|>", "<|vision_start|>"])
def test_a_question_can_not_smuggle_control_tokens(policy: Policy, token: str) -> None:
    with pytest.raises(ItemError, match="control token"):
        policy.encode_view([clip(2)], np.arange(2), f"What colour? {token}")


def test_a_budget_below_one_token_is_refused(model_folders: dict) -> None:
    with pytest.raises(UsageError, match="max_pixels"):
        load_policy(str(model_folders["qwen2_5_vl"]), max_pixels=500, min_pixels=1)

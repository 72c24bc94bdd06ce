"""Rotary positions of prompts with video."""

import numpy as np
import pytest
import torch
from vlm_views import clip

from strive.stages.vlm import Policy
from strive.stages.vlm.positions import VisualBlock, rope_positions


def test_text_goes_on_after_the_largest_position_of_any_axis() -> None:
    flags = np.array([0, 0, *[1] * 4, 0, 0], dtype=bool)
    positions, following = rope_positions(flags, [VisualBlock((0, 9), 1, 2)])
    assert positions.tolist() == [
        [0, 1, 2, 2, 11, 11, 12, 13],
        [0, 1, 2, 2, 2, 2, 12, 13],
        [0, 1, 2, 3, 2, 3, 12, 13],
    ]
    assert following == 14


def test_two_clips_each_start_where_the_text_stands() -> None:
    flags = np.array([0, 1, 0, 1, 1, 0], dtype=bool)
    positions, following = rope_positions(flags, [VisualBlock((3,), 1, 1), VisualBlock((0,), 2, 1)])
    assert positions[0].tolist() == [0, 4, 5, 6, 6, 8]
    assert positions[1].tolist() == [0, 1, 5, 6, 7, 8]
    assert following == 9


def test_a_prompt_without_video_counts_up() -> None:
    positions, following = rope_positions(np.zeros(4, dtype=bool), [])
    assert positions.tolist() == [[0, 1, 2, 3]] * 3 and following == 4


@pytest.mark.parametrize("blocks", [[], [VisualBlock((0,), 1, 3)], [VisualBlock((0,), 1, 2)] * 2])
def test_blocks_that_do_not_fit_the_placeholders_are_an_error(blocks: list[VisualBlock]) -> None:
    with pytest.raises(ValueError):
        rope_positions(np.array([0, 1, 1, 0], dtype=bool), blocks)


def test_short_clips_get_the_positions_that_transformers_gives(policy: Policy) -> None:
    """Up to the text after a video that ends early enough, both layouts are the same."""
    times = np.array([0.0, 0.0, 1.0, 1.0])  # patches at 0 and 1 s: temporal offsets 0 and 2, not past the 3 columns
    view = policy.encode_view([clip(4)], times, "What colour?")
    assert view.grid_thw is not None
    extra = {"second_per_grid_ts": torch.ones(1)} if policy.core.config.model_type == "qwen2_5_vl" else {}
    theirs, delta = policy.core.model.get_rope_index(
        view.input_ids[None], mm_token_type_ids=view.mm_token_type_ids[None], video_grid_thw=view.grid_thw, **extra,
    )
    assert torch.equal(view.position_ids, theirs[:, 0])
    assert view.next_position == len(view) + int(delta)


def test_after_a_long_clip_the_question_stands_behind_every_frame(policies: dict[str, Policy]) -> None:
    """transformers 5.23 would put it at max(rows, columns) + 1, among the frames' own positions."""
    policy = policies["qwen2_5_vl"]
    view = policy.encode_view([clip(4)], np.array([0.0, 0.0, 600.0, 600.0]), "What colour?")
    seen = view.mm_token_type_ids == 2
    last_visual = int(torch.nonzero(seen).max())
    assert int(view.position_ids[:, last_visual + 1].min()) == int(view.position_ids[:, seen].max()) + 1
    start = int(view.position_ids[0, seen].min())
    assert int(view.position_ids[0, last_visual]) == start + 1200  # tokens_per_second 2 × 600 s
    theirs, _ = policy.core.model.get_rope_index(
        view.input_ids[None], mm_token_type_ids=view.mm_token_type_ids[None], video_grid_thw=view.grid_thw,
        second_per_grid_ts=torch.tensor([600.0]),
    )
    assert torch.equal(theirs[:, 0, :last_visual + 1], view.position_ids[:, :last_visual + 1])
    assert int(theirs[0, 0, last_visual + 1]) < int(theirs[0, 0, last_visual])


def test_the_temporal_position_is_the_floor_of_the_mean_time_of_the_pair(policies: dict[str, Policy]) -> None:
    policy = policies["qwen2_5_vl"]
    times = np.array([0.0, 0.9, 1.4999999999999998, 1.5, 10.0, 11.3])  # means 0.45, 1.5, 10.65; × 2 per second
    view = policy.encode_view([clip(6)], times, "What?")
    temporal = view.position_ids[0, view.mm_token_type_ids == 2]
    assert (temporal - temporal[0]).unique().tolist() == [0, 3, 21]

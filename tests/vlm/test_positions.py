"""Rotary positions of prompts with video."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FIXED_SIZE, QWEN
from vlm_views import clip, mixed_views

from strive.stages.vlm import Policy, load_policy
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


@pytest.mark.parametrize("family", QWEN)
def test_short_clips_get_the_positions_that_transformers_gives(family: str, policies: dict[str, Policy]) -> None:
    """Up to the text after a video that ends early enough, both layouts are the same."""
    policy = policies[family]
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


def test_without_a_sense_of_time_a_patch_stands_at_its_number(policies: dict[str, Policy]) -> None:
    for times in (np.arange(6.0), np.array([0.0, 0.5, 90.0, 91.0, 600.0, 601.0])):
        view = policies["qwen2_vl"].encode_view([clip(6)], times, "What?")
        temporal = view.position_ids[0, view.mm_token_type_ids == 2]
        assert (temporal - temporal[0]).tolist() == [patch for patch in range(3) for _ in range(6)]


@pytest.mark.parametrize("family", FIXED_SIZE)
def test_plain_families_count_tokens(family: str, policies: dict[str, Policy]) -> None:
    for view in mixed_views(policies[family]):
        assert view.position_ids.tolist() == [list(range(len(view)))] and view.next_position == len(view)


@pytest.mark.parametrize("family", QWEN)
def test_frames_as_images_get_the_positions_that_transformers_gives(
    family: str, model_folders: dict[str, Path]
) -> None:
    policy = load_policy(str(model_folders[family]), max_pixels=64 * 196, min_pixels=784, frame_pairing="images")
    view = policy.encode_view([clip(3), clip(1, 1, 84, 56)], np.array([0.0, 400.0, 800.0, 900.0]), "What colour?")
    theirs, delta = policy.core.model.get_rope_index(
        view.input_ids[None], mm_token_type_ids=view.mm_token_type_ids[None], image_grid_thw=view.grid_thw)
    assert torch.equal(view.position_ids, theirs[:, 0])
    assert view.next_position == len(view) + int(delta)
    assert view.grid_thw is not None and view.grid_thw.tolist() == [[1, 4, 6]] * 3 + [[1, 6, 4]]


def test_a_repeated_frame_stands_at_its_own_time(model_folders: dict[str, Path]) -> None:
    policy = load_policy(str(model_folders["qwen2_5_vl"]), max_pixels=64 * 196, min_pixels=784, frame_pairing="repeat")
    view = policy.encode_view([clip(3)], np.array([0.0, 60.0, 61.5]), "What?")
    temporal = view.position_ids[0, view.mm_token_type_ids == 2]
    assert (temporal - temporal[0]).unique().tolist() == [0, 120, 123]

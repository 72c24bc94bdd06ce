"""Which frames of a clip are shown, in which temporal patch, and when."""

import numpy as np
import pytest

from strive.configs.errors import ItemError
from strive.stages.vlm.clips import pair_frames, split_times

TIMES = np.array([0.0, 1.0, 5.0])


def test_odd_clips_end_on_a_still_pair_and_single_frames_are_shown_twice() -> None:
    order, times, added = pair_frames(TIMES, 2, "video")
    assert order.tolist() == [0, 1, 2, 2] and times.tolist() == [0.5, 5.0] and added == 1
    order, times, added = pair_frames(np.array([7.0]), 2, "video")
    assert order.tolist() == [0, 0] and times.tolist() == [7.0] and added == 1
    order, times, added = pair_frames(TIMES[:2], 2, "video")
    assert order.tolist() == [0, 1] and times.tolist() == [0.5] and added == 0


def test_a_frame_paired_with_itself_keeps_its_exact_time() -> None:
    order, times, added = pair_frames(TIMES, 2, "repeat")
    assert order.tolist() == [0, 0, 1, 1, 2, 2] and times.tolist() == TIMES.tolist() and added == 0


def test_images_stand_alone() -> None:
    order, times, added = pair_frames(TIMES, 2, "images")
    assert order.tolist() == [0, 1, 2] and times.tolist() == TIMES.tolist() and added == 0


def test_a_family_without_temporal_patches_shows_every_frame_once() -> None:
    order, times, added = pair_frames(TIMES, 1, "video")
    assert order.tolist() == [0, 1, 2] and times.tolist() == TIMES.tolist() and added == 0


def test_times_are_cut_where_clips_end() -> None:
    clips = [np.zeros((2, 4, 4, 3), np.uint8), np.zeros((1, 8, 4, 3), np.uint8)]
    assert [own.tolist() for own in split_times(clips, np.array([0, 1, 9]))] == [[0.0, 1.0], [9.0]]
    with pytest.raises(ItemError, match="frames and"):
        split_times(clips, TIMES[:2])

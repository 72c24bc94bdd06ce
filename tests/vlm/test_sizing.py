"""The size at which frames are shown."""

import numpy as np
import pytest
import torch

from strive.configs.errors import ItemError
from strive.stages.vlm.sizing import patch_times, resize_frames, target_size


@pytest.mark.parametrize(("height", "width", "expected"), [
    (56, 84, (56, 84)),        # fits as it is
    (60, 80, (56, 84)),        # nearest multiples of 28
    (336, 597, (224, 420)),    # beta = sqrt(336·597 / 100352) = 1.4138: 237.7 → 224, 422.3 → 420
    (20, 20, (56, 56)),        # too small: scaled up to four tokens
])
def test_sizes_are_multiples_inside_the_budget(height: int, width: int, expected: tuple[int, int]) -> None:
    assert target_size(height, width, 28, min_pixels=56 * 56, max_pixels=128 * 28 * 28) == expected


def test_a_side_never_falls_below_one_token() -> None:
    assert target_size(10, 1000, 28, min_pixels=56 * 56, max_pixels=128 * 28 * 28) == (28, 1008)


def test_every_size_is_a_multiple_and_within_the_budget() -> None:
    rng = np.random.default_rng(0)
    for height, width in rng.integers(30, 2000, (300, 2)).tolist():
        if max(height, width) > 20 * min(height, width):
            continue
        rows, columns = target_size(height, width, 28, 4 * 784, 128 * 784)
        assert rows % 28 == 0 and columns % 28 == 0
        assert 4 * 784 <= rows * columns <= 128 * 784


def test_a_frame_of_absurd_shape_is_refused_by_name() -> None:
    with pytest.raises(ItemError, match="4000x10"):
        target_size(10, 4000, 28, 784, 100352)


def test_a_frame_of_the_right_size_keeps_its_pixels() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 28, 56, 3), dtype=np.uint8)
    assert np.array_equal(resize_frames(frames, (28, 56)).permute(0, 2, 3, 1).numpy(), frames)


def test_shrinking_is_antialiased_and_the_same_on_every_run() -> None:
    stripes = np.zeros((1, 112, 112, 3), dtype=np.uint8)
    stripes[:, :, ::2] = 255  # finer than the target can show: must become grey, not stripes or black
    once, again = (resize_frames(stripes, (28, 28)) for _ in range(2))
    assert torch.equal(once, again)
    assert once.dtype == torch.uint8 and (once[..., 2:-2].float() - 127.5).abs().max() < 4


def test_a_temporal_patch_stands_at_the_mean_time_of_its_frames() -> None:
    assert patch_times(np.array([0.0, 1.0, 5.0, 7.0]), 2).tolist() == [0.5, 6.0]
    assert patch_times(np.array([0.1, 0.7]), 1).tolist() == [0.1, 0.7]

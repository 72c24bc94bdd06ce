"""Frames are taken at i / fps plus the last, by presentation time."""

import numpy as np
import pytest

from strive.stages.extract.sampling import choose


def brute_force(times: np.ndarray, fps: float) -> list[int]:
    """The frame on screen at each i / fps, one by one, plus the last frame."""
    chosen, i = set(), 0
    while i / fps <= times[-1] + 1e-9:
        on_screen = [j for j, t in enumerate(times) if t <= i / fps + 1e-6 / fps]
        chosen.add(on_screen[-1] if on_screen else 0)
        i += 1
    return sorted(chosen | {len(times) - 1})


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fps", [0.3, 1.0, 2.7, 30.0])
def test_it_agrees_with_looking_at_every_target(seed: int, fps: float) -> None:
    times = np.cumsum(np.random.default_rng(seed).uniform(0.001, 0.4, 200))
    times -= times[0]
    assert choose(times, fps, 1, 10_000).tolist() == brute_force(times, fps)


@pytest.mark.parametrize("rate", [10, 24, 25, 30, 30000 / 1001, 60])
def test_one_frame_a_second_of_an_even_video_is_not_off_by_one(rate: float) -> None:
    times = np.arange(round(rate * 20)) / rate
    chosen = choose(times, 1.0, 1, 256)
    for i, frame in enumerate(chosen[:-1]):
        assert times[frame] <= i + 1e-5 < times[frame + 1] + 1e-5
    assert chosen[-1] == len(times) - 1


def test_a_short_video_gives_every_frame() -> None:
    assert choose(np.arange(30) / 10, 1.0, 64, 256).tolist() == list(range(30))


def test_fps_is_raised_until_min_frames() -> None:
    chosen = choose(np.arange(300) / 30, 1.0, 64, 256)
    assert len(chosen) == 64 and chosen[0] == 0 and chosen[-1] == 299
    assert np.diff(chosen).max() <= 5


def test_fps_is_raised_far_enough_for_a_burst_after_a_long_still() -> None:
    times = np.concatenate([[0.0], 600 + np.arange(200) / 200])
    assert 64 <= len(choose(times, 1.0, 64, 256)) <= 256


def test_a_long_video_is_spread_over_its_whole_duration() -> None:
    times = np.arange(36_000) / 10
    chosen = choose(times, 1.0, 64, 256)
    assert len(chosen) == 256 and chosen[0] == 0 and chosen[-1] == 35_999
    assert np.diff(times[chosen]).max() < 1.02 * 3600 / 255 + 0.1


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_never_more_than_max_frames_and_never_one_twice(count: int) -> None:
    chosen = choose(np.arange(100) / 10, 5.0, 64, count)
    assert 1 <= len(chosen) <= count and np.all(np.diff(chosen) > 0)


def test_fewer_frames_than_min_frames_and_more_than_max_frames_come_to_an_end() -> None:
    times = np.cumsum(np.random.default_rng(3).uniform(0.001, 0.4, 48)) - 0.001
    for most in (2, 3, 47):
        chosen = choose(times, 1.0, 64, most)
        assert len(chosen) <= most and chosen[0] == 0 and chosen[-1] == 47


def test_one_frame_is_one_frame() -> None:
    assert choose(np.zeros(1), 1.0, 64, 256).tolist() == [0]


def test_a_video_that_starts_late_begins_with_its_first_frame() -> None:
    chosen = choose(2.5 + np.arange(100) / 10, 1.0, 4, 256)
    assert chosen[0] == 0 and chosen[1] == 5

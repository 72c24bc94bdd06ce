"""Missing and backward times are filled and said to be; loss is counted in seconds of picture."""

import numpy as np

from strive.stages.extract.timeline import covered, fill, usable_rate


def test_true_times_stay_as_they_are() -> None:
    line = fill([0.0, 0.1, 0.35], 10)
    assert line.times.tolist() == [0.0, 0.1, 0.35] and not line.estimated


def test_a_missing_time_is_the_previous_plus_one_over_the_rate() -> None:
    line = fill([None, None, 0.5, None], 10)
    assert np.allclose(line.times, [0, 0.1, 0.5, 0.6]) and line.estimated


def test_a_backward_or_repeated_time_is_filled() -> None:
    line = fill([0.0, 0.1, 0.1, 0.05, 0.9], 10)
    assert np.allclose(line.times, [0, 0.1, 0.2, 0.3, 0.9]) and line.estimated and np.all(np.diff(line.times) > 0)


def test_absurd_rates_are_not_used() -> None:
    assert usable_rate(0, 90_000, float("nan"), 12.5) == 12.5 and usable_rate(None, 0.0) == 25


def test_without_loss_everything_is_covered_however_uneven() -> None:
    times = np.array([0, 0.1, 7.0])
    assert np.isclose(covered(times, np.zeros(3, bool), 0.5, 10), 7.5)


def test_a_hole_covers_one_frame_only() -> None:
    times, broken = np.array([0, 0.1, 5.0, 5.1]), np.array([False, False, True, False])
    assert np.isclose(covered(times, broken, 0.1, 10), 0.1 + 0.1 + 0.1 + 0.1)


def test_a_lost_beginning_is_not_covered() -> None:
    assert np.isclose(covered(np.array([4.0, 4.1]), np.array([False, False]), 0.1, 10), 0.2)

"""Curves say what was measured: gaps stay gaps, peaks survive thinning, smoothing starts at the first value."""

import json
import math
import re

import pytest

from strive.stages.report.curves import Frame, Line, chart, nice, smooth, thin, tick


def test_smoothing_keeps_a_constant_and_starts_at_the_first_value() -> None:
    assert smooth([0.3] * 20, 8) == pytest.approx([0.3] * 20)
    assert smooth([5.0, 0.0, 0.0], 10)[0] == 5.0


def test_smoothing_lies_between_lowest_and_highest_and_skips_what_is_missing() -> None:
    out = smooth([0.0, math.nan, 1.0, 0.0], 3)
    assert math.isnan(out[1])
    assert all(0 <= v <= 1 for v in out if math.isfinite(v))


def test_a_missing_value_leaves_a_gap_in_the_line() -> None:
    svg = str(chart([Line("loss", [1, 2, 3, 4], [0.1, 0.2, math.nan, 0.4], 0)], "Loss"))
    drawn = re.search(r'class="c0 fine"[^>]* d="([^"]*)"', svg)
    assert drawn is not None and drawn.group(1).count("M") == 2


def test_thinning_keeps_single_peaks_and_order() -> None:
    points = [(float(i), 100.0 if i == 5003 else math.sin(i)) for i in range(20000)]
    kept = thin(points)
    assert len(kept) < 500
    assert (5003.0, 100.0) in kept
    assert kept == sorted(kept)


@pytest.mark.parametrize(("values", "floor", "ceiling"), [
    ([0.0] * 9, 0, None), ([1.0] * 9, 0, 1), ([-3.0, 4e6], None, None), ([1e-7, 2e-7], 0, None), ([7.0], None, None),
])
def test_every_value_lies_inside_the_frame(values: list[float], floor: float | None, ceiling: float | None) -> None:
    frame = Frame.around([Line("x", list(range(len(values))), values, 0)], floor, ceiling)
    assert frame.y0 <= min(values) + 1e-9 and max(values) <= frame.y1 + 1e-9
    assert frame.y1 > frame.y0 and frame.x1 > frame.x0
    if floor is not None:
        assert frame.y0 == floor


def test_ticks_tell_neighbours_apart() -> None:
    for step in (0.05, 0.25, 0.5, 2.5, 1e-5, 2e-5, 100000.0):
        labels = [tick(i * step, step) for i in range(5)]
        assert len(set(labels)) == 5, labels


@pytest.mark.parametrize(("rough", "expected"), [(0.3, 0.5), (1.0, 1.0), (2.1, 2.5), (30, 50), (0, 1.0)])
def test_steps_are_round(rough: float, expected: float) -> None:
    assert nice(rough) == pytest.approx(expected)


def test_names_from_runs_cannot_leave_their_attribute() -> None:
    name = '"><script>alert(1)</script>'
    svg = str(chart([Line(name, [1, 2], [0.0, 1.0], 0)], name))
    assert "<script" not in svg
    data = re.search(r'data-lines="([^"]*)"', svg)
    assert data is not None and "alert" in data.group(1)
    assert json.loads(data.group(1).replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">"))[0][0] == name

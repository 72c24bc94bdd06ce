"""The lower part of a contact sheet: importance over time, and below it where each variant's frames lie."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from strive.stages.report.canvas import FAINT, INK, LINE, MUTED, PAPER, clock, font, series_colour

LEFT, RIGHT, TOP, CURVE_HEIGHT, LANE, AXIS = 316, 16, 30, 170, 24, 28
FINE = 3  # lines are drawn this many times larger and shrunk, so that they are smooth


def draw_curve(
    times: NDArray[np.float64], importance: NDArray[np.float32], lanes: list[NDArray[np.float64]], width: int,
    contrast: frozenset[int] = frozenset(),
) -> Image.Image:
    """Importance [N] at `times` [N] seconds as a curve; `lanes[k]` are variant k's frame times [T] seconds.

    The lanes of the variants in `contrast` say so.
    """
    height = TOP + CURVE_HEIGHT + 12 + LANE * len(lanes) + AXIS
    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((16, TOP - 6), "importance", fill=INK, font=font(16, True))
    draw.text((16, TOP + 18), "z-score of the frame's similarity", fill=MUTED, font=font(13))
    draw.text((16, TOP + 36), "to the question, over time", fill=MUTED, font=font(13))
    ends = time_range(times, lanes)
    draw_grid_lines(draw, importance, ends, width, height)
    picture.paste(curve_picture(times, importance, ends, width), (LEFT, TOP), None)
    draw_value_ticks(draw, importance, width)
    for number, lane in enumerate(lanes):
        name = f"variant {number}{', contrast' if number in contrast else ''}"
        draw_lane(draw, number, name, lane, ends, width)
    return picture


def time_range(times: NDArray[np.float64], lanes: list[NDArray[np.float64]]) -> tuple[float, float]:
    """First and last second on the axis; never empty."""
    everything = np.concatenate([times, *lanes]) if len(times) + len(lanes) else np.zeros(1)
    finite = everything[np.isfinite(everything)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def place(second: float, ends: tuple[float, float], room: int) -> float:
    """Horizontal position of a time within `room` pixels."""
    return (second - ends[0]) / (ends[1] - ends[0]) * (room - 1)


def value_range(importance: NDArray[np.float32]) -> tuple[float, float]:
    """Whole numbers around the finite values; never empty."""
    finite = importance[np.isfinite(importance)]
    if not len(finite):
        return -1.0, 1.0
    return math.floor(min(float(finite.min()), -1.0)), math.ceil(max(float(finite.max()), 1.0))


def curve_picture(
    times: NDArray[np.float64], importance: NDArray[np.float32], ends: tuple[float, float], width: int
) -> Image.Image:
    """The curve with the area under it, anti-aliased, the zero line behind it."""
    room = width - LEFT - RIGHT
    low, high = value_range(importance)
    large = Image.new("RGB", (room * FINE, CURVE_HEIGHT * FINE), "#fafbfc")
    draw = ImageDraw.Draw(large)
    for value in range(int(low), int(high) + 1):
        level = (high - value) / (high - low) * (CURVE_HEIGHT - 1) * FINE
        draw.line((0, level, large.width, level), fill="#b9c0c8" if value == 0 else "#e8ebee", width=FINE)
    good = np.isfinite(importance) & np.isfinite(times)
    points = [
        (place(float(t), ends, room) * FINE, (high - float(v)) / (high - low) * (CURVE_HEIGHT - 1) * FINE)
        for t, v in zip(times[good], importance[good], strict=True)
    ]
    if len(points) > 1:
        draw.line(points, fill="#3c4858", width=2 * FINE, joint="curve")
    if len(points) <= 80:
        for x, y in points:
            draw.ellipse((x - 2.6 * FINE, y - 2.6 * FINE, x + 2.6 * FINE, y + 2.6 * FINE), fill="#3c4858")
    return large.resize((room, CURVE_HEIGHT), Image.Resampling.LANCZOS)


def draw_value_ticks(draw: ImageDraw.ImageDraw, importance: NDArray[np.float32], width: int) -> None:
    """Whole z-scores at the curve's left edge."""
    low, high = value_range(importance)
    step = max(1, round((high - low) / 5))
    for value in range(int(low), int(high) + 1, step):
        level = TOP + (high - value) / (high - low) * (CURVE_HEIGHT - 1)
        draw.text((LEFT - 8, level), f"{value:+d}" if value else "0", fill=MUTED, font=font(13), anchor="rm")


def draw_grid_lines(
    draw: ImageDraw.ImageDraw, importance: NDArray[np.float32], ends: tuple[float, float], width: int, height: int
) -> None:
    """Time axis at the bottom with round seconds."""
    room = width - LEFT - RIGHT
    step = nice_step((ends[1] - ends[0]) / 10)
    second = math.ceil(ends[0] / step - 1e-9) * step
    while second <= ends[1] + 1e-9:
        x = LEFT + place(second, ends, room)
        draw.line((x, TOP + CURVE_HEIGHT, x, height - AXIS), fill=LINE)
        draw.text((x, height - AXIS + 6), clock(second, int(step < 1)), fill=MUTED, font=font(13), anchor="ma")
        second += step


def nice_step(rough: float) -> float:
    """The next larger of 1, 2, 5 × 10^n, in seconds; minutes beyond 20 s."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600):
        if step >= rough:
            return step
    return 3600.0 * math.ceil(rough / 3600.0)


def draw_lane(
    draw: ImageDraw.ImageDraw, number: int, name: str, lane: NDArray[np.float64], ends: tuple[float, float], width: int
) -> None:
    """One variant's frames as ticks on a line of its colour."""
    room = width - LEFT - RIGHT
    middle = TOP + CURVE_HEIGHT + 12 + LANE * number + LANE // 2
    colour = series_colour(number)
    draw.text((LEFT - 8, middle), name, fill=colour, font=font(13, True), anchor="rm")
    draw.line((LEFT, middle, LEFT + room, middle), fill="#e3e6ea")
    for second in lane[np.isfinite(lane)]:
        x = LEFT + place(float(second), ends, room)
        draw.rectangle((x - 1.5, middle - 8, x + 1.5, middle + 8), fill=colour)
    if not len(lane):
        draw.text((LEFT + 8, middle), "no frames", fill=FAINT, font=font(13), anchor="lm")

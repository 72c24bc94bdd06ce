"""Training curves as inline SVG: the raw values faint, a smoothed line over them, several runs in one picture."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 400, 210, 46, 10, 10, 26
MOST_POINTS = 240
DASHES = ("", "5 3", "2 2")
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve: `steps` and `values` of the same length, values NaN where there are none; `colour` is 0–7."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]
    colour: int
    dash: int = 0


def smooth(values: Sequence[float], window: float) -> list[float]:
    """Exponential moving average with α = 2 / (window + 1), corrected for its start; NaN stays NaN and is skipped.

    The correction divides by 1 − (1 − α)^t (Adam's, Kingma & Ba 2015, §3), so the first value is itself.
    """
    alpha = 2.0 / (max(window, 1.0) + 1.0)
    out, mean, weight = [], 0.0, 0.0
    for value in values:
        if math.isfinite(value):
            mean, weight = (1 - alpha) * mean + alpha * value, (1 - alpha) * weight + alpha
        out.append(mean / weight if weight and math.isfinite(value) else math.nan)
    return out


def chart(lines: Sequence[Line], label: str, floor: float | None = None, ceiling: float | None = None) -> Markup:
    """The lines as one `<svg>`; `floor` and `ceiling` are values that the vertical axis must include."""
    lines = [line for line in lines if any(math.isfinite(v) for v in line.values)]
    frame = Frame.around(lines, floor, ceiling)
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}" data-lines="{}" data-frame="{}">')
    parts = [head.format(WIDTH, HEIGHT, label, hover_data(lines), json.dumps(frame.as_list())), *frame.axes()]
    for line in lines:
        parts += draw_line(line, frame)
    parts.append(Markup('<line class="cursor" x1="-9" x2="-9" y1="{}" y2="{}"/></svg>').format(TOP, HEIGHT - BOTTOM))
    return Markup("").join(parts)


@dataclass(frozen=True)
class Frame:
    """The window of values that a chart shows."""

    x0: float
    x1: float
    y0: float
    y1: float
    y_step: float

    @staticmethod
    def around(lines: Sequence[Line], floor: float | None, ceiling: float | None) -> "Frame":
        """Round limits around all finite values."""
        xs = [float(x) for line in lines for x in line.steps]
        ys = [float(y) for line in lines for y in line.values if math.isfinite(y)]
        ys += [v for v in (floor, ceiling) if v is not None]
        low, high = (min(ys), max(ys)) if ys else (0.0, 1.0)
        if high - low < 1e-9 * max(1.0, abs(high)):
            room = max(0.5 * abs(high), 0.05)
            low, high = (low if low == floor else low - room), (high if high == ceiling else high + room)
        step = nice((high - low) / 4)
        x0, x1 = (min(xs), max(xs)) if xs else (0.0, 1.0)
        return Frame(x0, x1 if x1 > x0 else x0 + 1, math.floor(low / step + 1e-9) * step,
                     math.ceil(high / step - 1e-9) * step, step)

    def as_list(self) -> list[float]:
        """Limits and plot area, for the script that shows values under the pointer."""
        return [self.x0, self.x1, LEFT, WIDTH - RIGHT]

    def at(self, x: float, y: float) -> Point:
        """Where a value lies in the picture."""
        across = LEFT + (x - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)
        down = TOP + (self.y1 - y) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)
        return across, down

    def axes(self) -> list[Markup]:
        """Grid lines with their values, and steps below."""
        parts = []
        for i in range(round((self.y1 - self.y0) / self.y_step) + 1):
            value = self.y0 + i * self.y_step
            level = self.at(self.x0, value)[1]
            parts.append(Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                                '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>')
                         .format(LEFT, WIDTH - RIGHT, level, level, LEFT - 6, level + 3.5, tick(value, self.y_step)))
        step = float(math.ceil(nice((self.x1 - self.x0) / 5) - 1e-9))
        count = math.floor((self.x1 - math.ceil(self.x0 / step) * step) / step + 1e-9) + 1
        for i in range(max(count, 0)):
            value = (math.ceil(self.x0 / step) + i) * step
            parts.append(Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
                         .format(self.at(value, self.y0)[0], HEIGHT - 9, f"{value:.0f}"))
        return parts


def draw_line(line: Line, frame: Frame) -> list[Markup]:
    """The raw values faint and, where there are enough, the smoothed line; a single value as a dot."""
    window = max(1.0, len(line.values) / 12)
    raw = thin(list(zip(line.steps, line.values, strict=True)))
    fine = thin(list(zip(line.steps, smooth(line.values, window), strict=True)))
    parts = []
    if len(line.values) >= 8:
        parts.append(path(raw, frame, line, "raw"))
    else:
        fine = raw
    parts.append(path(fine, frame, line, "fine"))
    finite = [point for point in fine if math.isfinite(point[1])]
    if finite:
        x, y = frame.at(*finite[-1])
        parts.append(Markup('<circle class="c{} end" cx="{:.1f}" cy="{:.1f}" r="2.6"/>').format(line.colour, x, y))
    return parts


def path(points: Sequence[Point], frame: Frame, line: Line, kind: str) -> Markup:
    """Straight segments between neighbours; a gap where a value is missing."""
    commands, pen_down = [], False
    for step, value in points:
        if not math.isfinite(value):
            pen_down = False
            continue
        x, y = frame.at(step, value)
        commands.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
        pen_down = True
    return Markup('<path class="c{} {}" stroke-dasharray="{}" d="{}"/>').format(
        line.colour, kind, DASHES[line.dash % 3], " ".join(commands))


def thin(points: list[Point]) -> list[Point]:
    """At most about `MOST_POINTS` points: each stretch keeps its lowest and its highest, in their order."""
    if len(points) <= MOST_POINTS:
        return points
    size = -(-len(points) // (MOST_POINTS // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        stretch = [p for p in points[start : start + size] if math.isfinite(p[1])]
        if stretch:
            ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
            kept += sorted(ends)
    return kept


def hover_data(lines: Sequence[Line]) -> str:
    """Names, colours and smoothed points as JSON, for the script that shows values under the pointer."""
    rows = []
    for line in lines:
        window = max(1.0, len(line.values) / 12) if len(line.values) >= 8 else 1.0
        points = thin(list(zip(line.steps, smooth(line.values, window), strict=True)))
        rows.append([line.name, line.colour, [[x, float(f"{y:.4g}")] for x, y in points if math.isfinite(y)]])
    return json.dumps(rows)


def nice(rough: float) -> float:
    """The next larger of 1, 2, 2.5, 5 × 10^n."""
    if not rough > 0 or not math.isfinite(rough):
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough * (1 - 1e-9)), 10 * power)


def tick(value: float, step: float) -> str:
    """A value with as many digits as its step needs."""
    if value and (abs(value) >= 1e4 or step < 1e-3):
        return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")
    power = math.floor(math.log10(step) + 1e-9)
    digits = max(0, -power) + (step / 10.0**power == 2.5)
    return f"{value:.{digits}f}"


def swatch(line: Line) -> Markup:
    """A piece of the line, for a legend."""
    stroke = Markup('<path class="c{} fine" stroke-dasharray="{}" d="M1 4H21"/>')
    drawn = stroke.format(line.colour, DASHES[line.dash % 3])
    return Markup('<svg class="swatch" viewBox="0 0 22 8">{}</svg>{}').format(drawn, line.name)

"""Curves of a comparison as inline SVG: means with their bands, and single seeds beside them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from strive.stages.report.curves import BOTTOM, HEIGHT, TOP, WIDTH, Frame, Line, path, smooth, thin

MOST_COLOURS = 8


@dataclass(frozen=True)
class Curve:
    """One curve over generated rollouts; `kind` is fine (a mean), seed (one of several) or faint (a reference).

    low, high: its band, as long as the line, NaN where there is none; () for no band. dots: whether its points are
    measurements to be marked.
    """

    line: Line
    kind: str = "fine"
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dots: bool = False


def line_of(
    name: str, xs: Sequence[float], values: Sequence[float | None], place: int, dash: int | None = None
) -> Line:
    """A line in the colour of arm `place`; after eight arms the colours repeat with another dash."""
    return Line(name, xs, floats(values), place % MOST_COLOURS, place // MOST_COLOURS if dash is None else dash)


def picture(curves: Sequence[Curve], label: str, floor: float | None = None, ceiling: float | None = None) -> Markup:
    """The curves as one `<svg>`, bands behind all lines; `floor`, `ceiling`: values that the axis must include."""
    curves = [curve for curve in curves if any(math.isfinite(v) for v in curve.line.values)]
    frame = Frame.around([edge for curve in curves for edge in edges(curve)], floor, ceiling)
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}" data-unit="after" data-lines="{}" '
                  'data-frame="{}">')
    named = [curve for curve in curves if curve.kind == "fine"] or curves
    parts = [head.format(WIDTH, HEIGHT, label, hover(named), json.dumps(frame.as_list())), *frame.axes()]
    parts += [band(curve, frame) for curve in curves if curve.low]
    for curve in sorted(curves, key=lambda curve: curve.kind == "fine"):
        parts.append(path(points(curve.line), frame, curve.line, curve.kind))
        parts += marks(curve, frame) if curve.dots else []
    parts.append(Markup('<line class="cursor" x1="-9" x2="-9" y1="{}" y2="{}"/></svg>').format(TOP, HEIGHT - BOTTOM))
    return Markup("").join(parts)


def edges(curve: Curve) -> list[Line]:
    """The line and the limits of its band: what the axes have to hold."""
    return [curve.line, *(Line("", curve.line.steps, limit, 0) for limit in (curve.low, curve.high) if limit)]


def band(curve: Curve, frame: Frame) -> Markup:
    """The area between low and high; where there is no interval it closes on the line."""
    rows = list(zip(curve.line.steps, curve.line.values, curve.low, curve.high, strict=True))
    rows = [row for row in rows if math.isfinite(row[1])]
    upper = [frame.at(x, high if math.isfinite(high) else y) for x, y, _, high in rows]
    lower = [frame.at(x, low if math.isfinite(low) else y) for x, y, low, _ in reversed(rows)]
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in upper + lower)
    return Markup('<polygon class="c{} band" points="{}"/>').format(curve.line.colour, outline)


def marks(curve: Curve, frame: Frame) -> list[Markup]:
    """A dot at each measured value."""
    places = [frame.at(x, y) for x, y in points(curve.line) if math.isfinite(y)]
    return [Markup('<circle class="c{} end" cx="{:.1f}" cy="{:.1f}" r="2.2"/>').format(curve.line.colour, x, y)
            for x, y in places]


def points(line: Line) -> list[tuple[float, float]]:
    """The line's points, thinned where there are very many."""
    return thin(list(zip(line.steps, line.values, strict=True)))


def hover(curves: Sequence[Curve]) -> str:
    """Names, colours and points as JSON, for the script that shows values under the pointer."""
    return json.dumps([
        [curve.line.name, curve.line.colour,
         [[round(x), float(f"{y:.3g}")] for x, y in points(curve.line) if math.isfinite(y)]] for curve in curves
    ])


def smoothed(values: Sequence[float | None]) -> list[float]:
    """The moving average of a training metric over a twelfth of the run, as the report draws it."""
    return smooth(floats(values), max(1.0, len(values) / 12))


def mean_of(rows: Sequence[Sequence[float]]) -> list[float]:
    """The mean over seeds, step by step, of those that have a value."""
    columns = [[value for value in column if math.isfinite(value)] for column in zip(*rows, strict=True)]
    return [math.fsum(column) / len(column) if column else math.nan for column in columns]


def floats(values: Sequence[float | None]) -> list[float]:
    """None as NaN."""
    return [math.nan if value is None else float(value) for value in values]


def learning_curve(name: str, found: Mapping[str, Any], place: int) -> Curve:
    """Mean held-out accuracy over generated rollouts with its 95 % band over seeds."""
    accuracy = found["accuracy"]
    line = line_of(name, found["rollouts"], accuracy["mean"], place)
    return Curve(line, low=floats(accuracy["low"]), high=floats(accuracy["high"]), dots=True)

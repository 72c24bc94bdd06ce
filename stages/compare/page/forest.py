"""The forest plot of a comparison: each recipe's difference to the baseline on each view, as places on one scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strive.stages.compare.figures.reading import VIEW_NAMES, differences, views_of
from strive.stages.compare.figures.wording import difference, points, probability
from strive.stages.report.curves import nice


@dataclass(frozen=True)
class Bar:
    """One difference: places in per cent of the track's width, None where there is nothing to draw."""

    mean: float | None
    over_seeds: tuple[float, float] | None  # left, width
    over_questions: tuple[float, float] | None
    seeds: tuple[float, ...]
    sign: str  # above, below, open: where the interval over seeds lies
    text: str
    p: str
    holm: str


@dataclass(frozen=True)
class Forest:
    """One view: its bars by recipe, where 0 lies, and the ticks (place, label)."""

    view: str
    bars: Mapping[str, Bar]
    zero: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Scale:
    """Differences from `low` to `high` on a track of 100 per cent."""

    low: float
    high: float
    step: float

    def at(self, value: float) -> float:
        """Place of a value."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def stretch(self, ci: Sequence[float] | None) -> tuple[float, float] | None:
        """Left end and width of an interval."""
        return None if ci is None else (self.at(ci[0]), round(self.at(ci[1]) - self.at(ci[0]), 2))


def forests(summary: Mapping[str, Any]) -> list[Forest]:
    """One a view, all on the same scale."""
    found = {view: differences(summary, view) for view in views_of(summary)}
    scale = scale_of([one for rows in found.values() for one in rows.values()])
    return [forest(view, rows, scale) for view, rows in found.items() if rows]


def forest(view: str, rows: Mapping[str, Mapping[str, Any]], scale: Scale) -> Forest:
    """The bars of one view."""
    count = round((scale.high - scale.low) / scale.step)
    ticks = [scale.low + i * scale.step for i in range(count + 1)]
    return Forest(VIEW_NAMES.get(view, view), {name: bar(row, scale) for name, row in rows.items()}, scale.at(0.0),
                  tuple((scale.at(tick), points(tick)) for tick in ticks))


def bar(row: Mapping[str, Any], scale: Scale) -> Bar:
    """One recipe's difference."""
    ci = row["ci"]
    sign = "open" if ci is None or ci[0] <= 0 <= ci[1] else "above" if ci[0] > 0 else "below"
    return Bar(
        mean=None if row["mean"] is None else scale.at(row["mean"]), over_seeds=scale.stretch(ci),
        over_questions=scale.stretch(row["over_questions"]["ci"]),
        seeds=tuple(scale.at(value) for value in row["values"] if value is not None),
        sign=sign, text=difference(row), p=probability(row["p"]), holm=probability(row["holm"]),
    )


def scale_of(rows: Sequence[Mapping[str, Any]]) -> Scale:
    """Round limits around every interval, every seed and 0."""
    ends = [0.0]
    for row in rows:
        ends += [value for value in row["values"] if value is not None]
        ends += [end for ci in (row["ci"], row["over_questions"]["ci"]) if ci is not None for end in ci]
    low, high = min(ends), max(ends)
    step = nice(max(high - low, 0.02) / 5)
    return Scale(math.floor(low / step + 1e-9) * step, max(math.ceil(high / step - 1e-9), 1) * step, step)

"""Which curves the page of a comparison draws, with the sentence that says how to read each picture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from strive.stages.compare.page.drawing import Curve, learning_curve, line_of, mean_of, picture, smoothed
from strive.stages.report.curves import Line, swatch


@dataclass(frozen=True)
class Panel:
    """A picture with its title, how to read it, and a legend for what the page's own does not say."""

    title: str
    note: str
    picture: Markup
    legend: tuple[Markup, ...] = ()


SHARES = {"frac_zero_std": "whole group"}
PARTS = {"reward_var_within": "within a variant", "reward_var_between": "between variants"}


def legend(summary: Mapping[str, Any]) -> list[Markup]:
    """Colour and name of each recipe."""
    return [swatch(line_of(name, (), (), place)) for place, name in enumerate(names(summary))]


def learning(summary: Mapping[str, Any]) -> list[Panel]:
    """Held-out accuracy over rollouts: all recipes, then each one's seeds."""
    found = summary["curves"]
    if not any(len(curve["step"]) > 1 for curve in found.values()):
        return []
    curves = [learning_curve(name, found[name], place) for place, name in enumerate(names(summary))]
    return [Panel("Held-out accuracy", "uniform view, over generated rollouts; bands: 95 % over seeds",
                  picture(curves, "Held-out accuracy"))] + [
        panel for place, name in enumerate(names(summary)) if (panel := learning_of(summary, name, place))]


def learning_of(summary: Mapping[str, Any], name: str, place: int) -> Panel | None:
    """One recipe's mean with its seeds, the baseline's mean in grey."""
    found, base = summary["curves"][name], summary["curves"][summary["baseline"]]
    if len(found["step"]) < 2:
        return None
    curves = [Curve(line_of(f"seed {seed}", found["rollouts"], values, place, 0), "seed")
              for seed, values in zip(summary["seeds"], found["accuracy"]["values"], strict=True)]
    curves.append(learning_curve(name, found, place))
    if name != summary["baseline"]:
        curves.append(reference(summary["baseline"], base["rollouts"], base["accuracy"]["mean"]))
    return Panel(name, "each seed thin", picture(curves, f"Held-out accuracy of {name}"))


def training(summary: Mapping[str, Any], metrics: Mapping[str, str], title: str, note: str) -> list[Panel]:
    """A metric (or two, the second dashed) of the training steps: means of all recipes, then each one's seeds."""
    dashes = tuple(swatch(Line(label, (), (), 8, dash)) for dash, label in enumerate(metrics.values()))
    whole = [Curve(line_of(label_of(name, label, metrics), found["rollouts"], mean, place, dash))
             for place, name in enumerate(names(summary)) if (found := summary["train"][name])
             for dash, (metric, label) in enumerate(metrics.items())
             if (mean := mean_of([smoothed(row) for row in found[metric]["values"]]))]
    whole = [curve for curve in whole if any(math.isfinite(value) for value in curve.line.values)]
    if not whole:
        return []
    first = Panel(title, note, picture(whole, title, 0.0), dashes if len(metrics) > 1 else ())
    return [first, *(training_of(summary, metrics, name, place, title) for place, name in enumerate(names(summary)))]


def training_of(summary: Mapping[str, Any], metrics: Mapping[str, str], name: str, place: int, title: str) -> Panel:
    """One recipe's seeds, the baseline's mean of the first metric in grey."""
    found, base = summary["train"][name], summary["train"][summary["baseline"]]
    curves = [Curve(line_of(f"seed {seed}", found["rollouts"], smoothed(row), place, dash), "seed")
              for dash, metric in enumerate(metrics)
              for seed, row in zip(summary["seeds"], found[metric]["values"], strict=True)]
    if name != summary["baseline"]:
        first = next(iter(metrics))
        curves.append(reference(summary["baseline"], base["rollouts"],
                                mean_of([smoothed(row) for row in base[first]["values"]])))
    return Panel(name, "each seed", picture(curves, f"{title}: {name}", 0.0))


def reference(name: str, rollouts: list[float], values: list[float]) -> Curve:
    """The baseline, grey."""
    return Curve(Line(name, rollouts, [math.nan if value is None else value for value in values], 8), "faint")


def label_of(name: str, label: str, metrics: Mapping[str, str]) -> str:
    """The recipe, and which of several metrics."""
    return f"{name} {label}" if len(metrics) > 1 else name


def names(summary: Mapping[str, Any]) -> list[str]:
    """The recipes in their order."""
    return [arm["name"] for arm in summary["arms"]]

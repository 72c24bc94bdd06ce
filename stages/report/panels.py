"""Which metrics the page draws, in which picture, and the sentence that says how to read each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from strive.stages.report.curves import Line, chart, smooth, swatch
from strive.stages.report.run_folder import RunFolder
from strive.stages.report.values import number


@dataclass(frozen=True)
class Panel:
    """One picture: metric names with their labels (the second and third are dashed)."""

    title: str
    note: str
    metrics: tuple[tuple[str, str], ...]
    floor: float | None = None
    ceiling: float | None = None


@dataclass(frozen=True)
class Drawn:
    """A panel with its picture, its last value (one line only) and a legend for the dashes."""

    title: str
    note: str
    reading: str
    picture: Markup
    legend: tuple[Markup, ...]


PANELS = (
    Panel("Reward", "mean over the step's rollouts", (("reward_mean", "reward"),), floor=0),
    Panel("Accuracy", "share of rollouts with the right answer", (("accuracy", "accuracy"),), 0, 1),
    Panel("Held-out accuracy", "measured during training with --eval-data", (("eval_accuracy", "accuracy"),), 0, 1),
    Panel("Format rate", "share of rollouts in the asked form", (("format_rate", "format rate"),), 0, 1),
    Panel("Groups without signal",
          "share of groups whose rewards are all equal: the whole group, and variant by variant",
          (("frac_zero_std", "whole group"), ("frac_zero_std_per_variant", "per variant")), 0, 1),
    Panel("Advantage variance", "within one variant's rollouts, and between the variants of a question",
          (("adv_var_within", "within"), ("adv_var_between", "between")), floor=0),
    Panel("Entropy", "of the policy per token, in nats", (("entropy", "entropy"),), floor=0),
    Panel("KL", "to the initial policy per token, in nats", (("kl", "KL"),), floor=0),
    Panel("Gradient norm", "before clipping", (("grad_norm", "gradient norm"),), floor=0),
    Panel("Clipped share", "tokens whose ratio left the clip range", (("clip_frac", "clipped"),), floor=0),
    Panel("Loss", "its sign means little in policy-gradient training", (("loss", "loss"),)),
    Panel("Completion length", "mean tokens", (("completion_len_mean", "tokens"),), floor=0),
    Panel("Step time", "seconds: the whole step, and its rollouts",
          (("step_s", "step"), ("rollout_s", "rollouts")), floor=0),
)


def draw_panels(runs: Sequence[RunFolder]) -> list[Drawn]:
    """Every panel for which some run has values; run i has colour i."""
    drawn = []
    for panel in PANELS:
        lines = [line for line in panel_lines(panel, runs) if any(math.isfinite(v) for v in line.values)]
        if lines:
            legend = dash_legend(panel) if len(panel.metrics) > 1 else ()
            picture = chart(lines, panel.title, panel.floor, panel.ceiling)
            drawn.append(Drawn(panel.title, panel.note, last_value(lines), picture, legend))
    return drawn


def panel_lines(panel: Panel, runs: Sequence[RunFolder]) -> list[Line]:
    """One line a run and metric."""
    several = len(runs) > 1
    return [
        Line(f"{run.name} · {label}" if several else label, *points(run, metric), place % 8, dash)
        for place, run in enumerate(runs) for dash, (metric, label) in enumerate(panel.metrics)
    ]


def points(run: RunFolder, metric: str) -> tuple[list[float], list[float]]:
    """Steps and values; of an evaluation only the steps at which it was made, so that a line joins them."""
    rows = [row for row in run.metrics if metric in row] if metric.startswith("eval_") else run.metrics
    if metric == "kl" and not any(row.get(metric) for row in rows):
        return [], []  # without a KL term no reference is kept: 0 is not a measurement
    return [float(row["step"]) for row in rows], [figure(row.get(metric)) for row in rows]


def last_value(lines: Sequence[Line]) -> str:
    """The end of the smoothed line, when there is only one."""
    if len(lines) != 1:
        return ""
    values = [v for v in smooth(lines[0].values, len(lines[0].values) / 12) if math.isfinite(v)]
    return f"{values[-1]:.3g} at the end"


def dash_legend(panel: Panel) -> tuple[Markup, ...]:
    """What solid and dashed mean."""
    return tuple(swatch(Line(label, (), (), 8, dash)) for dash, (_, label) in enumerate(panel.metrics))


def figure(value: Any) -> float:
    """A metric as a float; what is missing or not a number is NaN and leaves a gap."""
    found = number(value)
    return math.nan if found is None else found

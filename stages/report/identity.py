"""Who a run is: recipe, model, data, size and outcome, in the words of its own files."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.stages.report.panels import figure
from strive.stages.report.run_folder import RunFolder


@dataclass(frozen=True)
class Identity:
    """A run's line at the top of the page; `facts` are label and text."""

    name: str
    kind: str
    colour: int
    facts: tuple[tuple[str, str], ...]
    sentence: str


def identity(run: RunFolder, number: int) -> Identity:
    """What the run folder says of itself."""
    return Identity(run.name, "evaluation" if run.is_eval else "training", number % 8,
                    tuple(eval_facts(run) if run.is_eval else train_facts(run)), "" if run.is_eval else sentence(run))


def train_facts(run: RunFolder) -> list[tuple[str, str]]:
    """Recipe, model, group shape, steps, seed."""
    config = run.config
    variants, rollouts = config.get("variants.count"), config.get("train.rollouts")
    group = group_of(variants, rollouts)
    facts = [
        ("recipe", recipe_of(run)), ("model", short_path(config.get("model"))),
        ("data", data_of(run)), ("group", group), ("frames per variant", config.get("variants.frames")),
        ("steps", len(run.metrics) or None), ("advantage", config.get("train.advantage_scope")),
        ("loss", config.get("train.loss")), ("learning rate", config.get("train.learning_rate")),
        ("seed", config.get("train.seed")),
    ]
    return [(label, str(value)) for label, value in facts if value not in (None, "")]


def eval_facts(run: RunFolder) -> list[tuple[str, str]]:
    """Benchmark, model, what was shown."""
    found, config = run.results, run.config
    facts = [("benchmark", found.get("bench")), ("model", short_path(found.get("model") or config.get("model"))),
             ("questions", found.get("n")), ("control", found.get("control")), ("frames", config.get("eval.frames")),
             ("sampler", config.get("eval.sampler")), ("protocol", config.get("eval.protocol"))]
    return [(label, str(value)) for label, value in facts if value not in (None, "", "none")]


def group_of(variants: Any, rollouts: Any) -> str:
    """The group's shape, when it is known and even."""
    if not (isinstance(variants, int) and isinstance(rollouts, int) and variants > 0 and rollouts % variants == 0):
        return ""
    return f"{variants} variant{'s' * (variants > 1)} × {rollouts // variants} generations"


def short_path(model: Any) -> str:
    """A model's name; of an absolute path its last two parts."""
    text = str(model or "")
    return "/".join(Path(text).parts[-2:]) if text.startswith("/") else text


def data_of(run: RunFolder) -> str:
    """How many bundles, and the first digits of their digest."""
    samples, digest = run.about.get("samples"), str(run.about.get("data") or "").removeprefix("sha256:")
    return f"{samples} bundles, {digest[:8]}" if samples else ""


def recipe_of(run: RunFolder) -> str:
    """The recipe that some value came from."""
    named = {source.removeprefix("recipe ") for source in run.sources.values() if source.startswith("recipe ")}
    return ", ".join(sorted(named))


def sentence(run: RunFolder) -> str:
    """How rollout accuracy moved, from the first tenth of the steps to the last."""
    values = [v for v in (figure(row.get("accuracy")) for row in run.metrics) if math.isfinite(v)]
    if len(values) < 20:
        return ""
    tenth = max(1, len(values) // 10)
    first, last = sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth
    return f"Rollout accuracy went from {100 * first:.0f} % (first {tenth} steps) to {100 * last:.0f} % (last {tenth})."

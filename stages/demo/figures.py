"""The demo's figures: what the policies scored beside what could be scored at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from strive.stages.demo.world import is_evidence_shown
from strive.stages.tasks.sample import Sample

ARMS = ("base", "trained", "text_only", "blank", "swapped")


def figures(
    samples: Sequence[Sample], results: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """The figures that `strive demo` prints.

    results: results.json of each arm. shown: frame times (s) that each question's policy saw. `chance` is the mean over
    questions of 1 / number of possible answers; `ceiling` = visible + (1 - visible) x chance, per question, averaged.
    """
    chances = [1.0 / len(sample.meta["choices"]) for sample in samples]
    visible = [is_evidence_shown(sample.meta["evidence"], shown[sample.id]) for sample in samples]
    found: dict[str, Any] = {"n_eval": len(samples), "chance": mean(chances), "visible_share": mean(visible)}
    found["ceiling"] = found["visible_share"] + (1 - found["visible_share"]) * found["chance"]
    for arm in ("base", "trained"):
        for name in ("accuracy", "accuracy_answered", "format_rate"):
            found[f"{arm}_{name}"] = results[arm][name]
        found[f"{arm}_accuracy_when_visible"] = accuracy_when(results[arm]["scores"], samples, visible)
    for arm in ("text_only", "blank", "swapped"):
        found[f"{arm}_accuracy"] = results[arm]["accuracy"]
    found["families"] = {
        name: {
            "chance": chance_of(samples, chances, name),
            **{arm: results[arm]["families"][name]["accuracy"] for arm in ARMS},
        }
        for name in sorted(results["trained"]["families"])
    }
    return found


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)


def chance_of(samples: Sequence[Sample], chances: Sequence[float], family: str) -> float:
    """Mean chance of one family's questions."""
    return mean([chance for sample, chance in zip(samples, chances, strict=True) if sample.meta["family"] == family])


def accuracy_when(scores: Mapping[str, float], samples: Sequence[Sample], visible: Sequence[bool]) -> float | None:
    """Accuracy over the questions whose evidence was in the frames shown; None when there are none."""
    picked = [scores[sample.id] for sample, seen in zip(samples, visible, strict=True) if seen]
    return mean(picked) if picked else None

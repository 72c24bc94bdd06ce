"""Which evaluations may stand in one table, and which may be set against each other question by question."""

from collections.abc import Mapping, Sequence
from typing import Any

from strive.configs.errors import UsageError
from strive.stages.report.run_folder import RunFolder

POINTS = (
    "model", "eval.control", "eval.frames", "eval.sampler", "eval.seed", "eval.shuffle_frames", "eval.options_shuffled",
    "eval.max_pixels", "eval.min_pixels", "eval.dtype", "dtype", "libraries",
)
"""Keys of a recipe in which two runs may differ: who was asked and what was shown, the machine's share among them."""
POINT_STARTS = ("chosen.", "extract.")
DEFAULTS = {"eval.shuffle_frames": False, "eval.options_shuffled": False, "eval.time_text": "none",
            "eval.frame_pairing": "video"}
"""Values of keys that a recipe leaves out."""


def refuse_mixed_protocols(runs: Sequence[RunFolder]) -> None:
    """`UsageError` when evaluations of one benchmark were read by different protocols: no table may hold them all."""
    found: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        if run.is_eval and (protocol := protocol_of(run)):
            found.setdefault(run.bench, {}).setdefault(protocol, []).append(run.name)
    for bench, protocols in found.items():
        if len(protocols) > 1:
            told = "; ".join(f"{name}: {', '.join(names)}" for name, names in protocols.items())
            raise UsageError(f"{bench or 'evaluations'}: runs of different protocols ({told})",
                             "one protocol for a benchmark in one report: scores of two can't be compared",
                             "Report on each protocol by itself.")


def protocol_of(run: RunFolder) -> str:
    """The protocol that the run recorded, "" when it recorded none."""
    return str(run.recipe.get("eval.protocol") or run.results.get("protocol") or "")


def differences(a: RunFolder, b: RunFolder) -> dict[str, tuple[Any, Any]]:
    """The keys of the recipes that differ, each with both values. `UsageError` naming those that must not."""
    one, other = {**DEFAULTS, **a.recipe}, {**DEFAULTS, **b.recipe}
    keys = sorted(key for key in set(one) | set(other) if one.get(key) != other.get(key))
    if barred := [key for key in keys if key not in POINTS and not key.startswith(POINT_STARTS)]:
        told = "; ".join(f"{key}: {one.get(key)} -> {other.get(key)}" for key in barred)
        raise UsageError(f"{a.path} and {b.path} can't be compared: {told}",
                         "the same benchmark, asked and read in the same way",
                         "Evaluate both with the same settings, or report on each run by itself.")
    return {key: (one.get(key), other.get(key)) for key in keys}


def told(differing: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """The differences for people, digests cut short."""
    return [f"{key}: {brief(old)} → {brief(new)}" for key, (old, new) in differing.items()]


def brief(value: Any) -> str:
    """A recipe's value in few characters."""
    text = "–" if value is None else str(value)
    return text[:19] if text.startswith("sha256:") else text

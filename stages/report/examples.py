"""Rollouts worth looking at: questions of the last steps whose rollouts disagreed, the best beside the worst."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strive.configs.errors import StriveError
from strive.stages.bundle.reader import Bundle, Variant
from strive.stages.report.run_folder import RunFolder
from strive.stages.report.thumbnails import Thumbnail, thumbnails
from strive.stages.report.values import count, mapping, number

BundleOf = Callable[[Path, str], Bundle | None]
MOST_EXAMPLES, LONGEST_REPLY = 4, 4000
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """One rollout: reward parts by name, its reply, the frames it saw (empty when the bundle is not at hand)."""

    title: str
    variant: int
    sampler: str
    operators: str
    reply: str
    reward: float
    parts: Mapping[str, float]
    advantage: float | None
    frames: tuple[Thumbnail, ...]


@dataclass(frozen=True)
class Example:
    """A question of one step with its best and its worst rollout; `top` of `count` rollouts got the best reward."""

    step: int
    sample_id: str
    question: str
    options: tuple[str, ...]
    answer: str
    count: int
    top: int
    rollouts: tuple[Shown, ...]
    missing: str


def pick_examples(run: RunFolder, bundle_of: BundleOf | None) -> list[Example]:
    """At most `MOST_EXAMPLES` questions, the newest first, each once, those with unequal rewards before the others."""
    groups = group_rows(run.rollouts)
    order = sorted(groups, key=lambda key: (spread(groups[key]) > 0, key[0], spread(groups[key])), reverse=True)
    chosen: list[tuple[int, str]] = []
    for key in order:
        if key[1] not in {sample for _, sample in chosen}:
            chosen.append(key)
        if len(chosen) == MOST_EXAMPLES:
            break
    return [example(run.path, key, groups[key], bundle_of) for key in chosen]


def group_rows(rows: Sequence[Row]) -> dict[tuple[int, str], list[Row]]:
    """Rollouts by step and sample, those with a reward only."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        if count(row.get("step")) is not None and number(row.get("reward")) is not None:
            groups.setdefault((row["step"], str(row.get("id", ""))), []).append(row)
    return groups


def spread(rows: Sequence[Row]) -> float:
    """Highest minus lowest reward."""
    rewards = [float(row["reward"]) for row in rows]
    return max(rewards) - min(rewards)


def example(run: Path, key: tuple[int, str], rows: list[Row], bundle_of: BundleOf | None) -> Example:
    """The best rollout, and the worst if it earned less."""
    bundle, missing = find_bundle(run, key[1], bundle_of)
    ranked = sorted(rows, key=lambda row: float(row["reward"]))
    best, worst = ranked[-1], ranked[0]
    pair = [("best", best)] + ([("worst", worst)] if worst["reward"] < best["reward"] else [])
    if bundle and not all(variant_of(row, bundle) for _, row in pair):
        missing = "frames not shown: the bundle in the cache was made with other settings"
    sample = bundle.sample if bundle else None
    return Example(
        key[0], key[1], sample.question if sample else str(best.get("question", "")),
        tuple(sample.options or ()) if sample else (), sample.answer if sample else str(best.get("gold") or ""),
        count(best.get("group_size")) or len(rows),
        count(best.get("group_top")) or sum(row["reward"] == best["reward"] for row in rows),
        tuple(shown(title, row, bundle) for title, row in pair), missing,
    )


def find_bundle(run: Path, sample_id: str, bundle_of: BundleOf | None) -> tuple[Bundle | None, str]:
    """The sample's bundle, or None and why its frames cannot be shown."""
    if bundle_of is None:
        return None, "frames not shown: no cache was given to look the bundle up in"
    try:
        bundle = bundle_of(run, sample_id)
    except StriveError as error:
        return None, f"frames not shown: {error.what}"
    return bundle, "" if bundle else "frames not shown: the bundle is no longer in the cache"


def shown(title: str, row: Row, bundle: Bundle | None) -> Shown:
    """One rollout with the frames of its own variant."""
    variant = variant_of(row, bundle)
    operators = ", ".join(str(one.get("operator")) for one in variant.operators) if variant else ""
    parts = {str(k): found for k, v in mapping(row.get("rewards")).items() if (found := number(v)) is not None}
    sampler, place = (variant.sampler if variant else ""), count(row.get("variant")) or 0
    return Shown(title, place, sampler, operators, reply(row), float(row["reward"]), parts,
                 number(row.get("advantage")),
                 tuple(thumbnails(variant)) if variant else ())


def variant_of(row: Row, bundle: Bundle | None) -> Variant | None:
    """The variant that the rollout saw; None when the bundle's is another one, as its frames' times tell."""
    place = count(row.get("variant"))
    if bundle is None or place is None or place >= bundle.n_variants:
        return None
    variant = bundle.variant(place)
    return variant if "times" not in row or same_times(row["times"], variant.times) else None


def same_times(written: Any, times: np.ndarray) -> bool:
    """True for a list of the same times, to a millisecond."""
    seconds = [number(one) for one in written] if isinstance(written, list) else []
    if len(seconds) != len(times):
        return False
    return all(s is not None and abs(s - t) < 1.5e-3 for s, t in zip(seconds, times, strict=True))


def reply(row: Row) -> str:
    """What the policy wrote."""
    return str(row.get("reply", ""))[:LONGEST_REPLY]

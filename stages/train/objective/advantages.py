"""Turns the rewards of a batch into advantages: a baseline and a scale per group, found by id and never by shape.

Formulas: joint normalisation of STRIVE (arXiv 2604.01824), A = (R - mean(R)) / (std(R) + eps) over all V x G rollouts
of a question; V = 1 is GRPO (arXiv 2402.03300, eq. 3); scale `none` is Dr. GRPO (arXiv 2503.20783); baseline
`leave_one_out` is RLOO (arXiv 2402.14740), which takes the mean of the others off and, as published, does not scale.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

EQUAL = 1e-9
"""Rewards closer together than this are equal: their advantages are exactly 0."""


class AdvantageConfig(Protocol):
    """The keys of `train` that this file reads."""

    @property
    def advantage_scope(self) -> str: ...
    @property
    def advantage_baseline(self) -> str: ...
    @property
    def advantage_scale(self) -> str: ...
    @property
    def advantage_eps(self) -> float: ...
    @property
    def advantage_ddof(self) -> int: ...
    @property
    def zero_std(self) -> str: ...


@dataclass(frozen=True)
class Advantages:
    """One advantage a row, and which rows count in the loss's denominator.

    values: float64 [R]; exactly 0 where rewards are equal or where a row has no finite reward.
    counted: bool [R]; False for rows without a finite reward, and, under `zero_std: drop` and
    `resample` (where the loop has put other questions in their place, as far as it could), in equal-reward groups.
    stats: the metrics `frac_zero_std`, `frac_zero_std_accuracy`, `frac_zero_std_per_variant`, `adv_var_within`,
    `adv_var_between`, `reward_var_within`, `reward_var_between`, `bad_rewards`.
    """

    values: np.ndarray
    counted: np.ndarray
    stats: dict[str, float]


def joint(groups: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """All rollouts of a question share one baseline and one scale."""
    return groups


def per_variant(groups: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Each variant of a question has its own: V independent GRPO groups."""
    return cells


SCOPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"joint": joint, "per_variant": per_variant}
BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda rewards: np.full(len(rewards), rewards.mean()),
    "leave_one_out": lambda rewards: (rewards.sum() - rewards) / (len(rewards) - 1),
}
SCALES: dict[str, Callable[[np.ndarray, AdvantageConfig], float]] = {
    "group": lambda rewards, config: float(rewards.std(ddof=config.advantage_ddof)) + config.advantage_eps,
    "none": lambda rewards, config: 1.0,
}


def compute(
    rewards: Sequence[float] | np.ndarray,
    group_ids: Sequence[Hashable],
    variant_ids: Sequence[Hashable],
    config: AdvantageConfig,
    accuracy: Sequence[float] | np.ndarray | None = None,
) -> Advantages:
    """Advantages of R rows that may stand in any order, with any number of variants and generations per group.

    `rewards` [R] may hold NaN or inf: such a row is left out of every baseline and gets advantage 0. `accuracy` [R], if
    given, is only used for `frac_zero_std_accuracy`.
    """
    raw = np.asarray(rewards, dtype=np.float64)
    groups = numbered(list(group_ids))
    cells = numbered(list(zip(group_ids, variant_ids, strict=True)))
    scored = np.isfinite(raw)
    parts = SCOPES[config.advantage_scope](groups, cells)
    values, flat = np.zeros(len(raw)), np.zeros(len(raw), dtype=bool)
    for rows in members(parts, scored):
        values[rows] = normalise(raw[rows], config)
        flat[rows] = is_flat(raw[rows])
    counted = scored if config.zero_std == "keep" else scored & ~flat
    hits = raw if accuracy is None else np.where(scored, np.asarray(accuracy, dtype=np.float64), np.nan)
    return Advantages(values, counted, _stats(raw, hits, values, groups, cells, scored))


def normalise(rewards: np.ndarray, config: AdvantageConfig) -> np.ndarray:
    """(r - baseline) / scale of one group's finite rewards [n]; exactly 0 when they are equal or fewer than two.

    Both baselines give a sum of 0: r_i - mean of the others = n / (n - 1) * (r_i - mean).
    """
    if is_flat(rewards):
        return np.zeros(len(rewards))
    gain = rewards - BASELINES[config.advantage_baseline](rewards)
    return gain / SCALES[config.advantage_scale](rewards, config)


def is_flat(rewards: np.ndarray) -> bool:
    """True when there is nothing to compare: fewer than two rewards, or all equal."""
    return len(rewards) < 2 or float(rewards.max() - rewards.min()) <= EQUAL


def is_informative(rewards: Sequence[float] | np.ndarray, variant_ids: Sequence[Hashable] | None = None) -> bool:
    """True when a group's rewards [n] give any gradient; `zero_std: resample` replaces the questions where not.

    Rewards that are not finite are left out. `variant_ids` [n]: given under `advantage_scope: per_variant`, where one
    variant has to differ in itself.
    """
    raw = np.asarray(rewards, dtype=np.float64)
    parts = np.zeros(len(raw), dtype=np.int64) if variant_ids is None else numbered(list(variant_ids))
    return any(not is_flat(raw[rows]) for rows in members(parts, np.isfinite(raw)))


def decompose(values: np.ndarray, variants: np.ndarray) -> tuple[float, float]:
    """(within, between) of one group's values [n]: population variance = within variants + between their means.

    within = sum_v n_v Var(v) / n, between = sum_v n_v (mean_v - mean)^2 / n.
    """
    within = between = 0.0
    for rows in members(variants, np.ones(len(values), dtype=bool)):
        share = len(rows) / len(values)
        within += share * float(values[rows].var())
        between += share * float(values[rows].mean() - values.mean()) ** 2
    return within, between


def numbered(ids: list[Hashable]) -> np.ndarray:
    """Ids as small integers in the order of their first appearance; int64 [R]."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in ids], dtype=np.int64)


def members(parts: np.ndarray, chosen: np.ndarray) -> list[np.ndarray]:
    """Row numbers of each part, chosen rows only, empty parts left out."""
    rows = np.flatnonzero(chosen)
    order = rows[np.argsort(parts[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(parts[order])) + 1
    return [part for part in np.split(order, cuts) if len(part)]


def _stats(raw: np.ndarray, hits: np.ndarray, values: np.ndarray, groups: np.ndarray, cells: np.ndarray,
           scored: np.ndarray) -> dict[str, float]:
    whole = members(groups, scored)
    spread = [decompose(values[rows], cells[rows]) for rows in whole]
    reward_spread = [decompose(raw[rows], cells[rows]) for rows in whole]
    return {
        "frac_zero_std": _share_flat(raw, whole),
        "frac_zero_std_accuracy": _share_flat(hits, whole),
        "frac_zero_std_per_variant": _share_flat(raw, members(cells, scored)),
        "adv_var_within": _mean([within for within, _ in spread]),
        "adv_var_between": _mean([between for _, between in spread]),
        "reward_var_within": _mean([within for within, _ in reward_spread]),
        "reward_var_between": _mean([between for _, between in reward_spread]),
        "bad_rewards": float(len(raw) - scored.sum()),
    }


def _share_flat(rewards: np.ndarray, parts: list[np.ndarray]) -> float:
    return _mean([float(is_flat(rewards[rows])) for rows in parts])


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0

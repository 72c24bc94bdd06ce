"""Turns the rewards of a batch into advantages; what they are compared with is found by id and never by shape.

The formulas: `scopes.py` (baselines), `scales.py` (divisors); docs/advantages.md.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from strive.stages.train.objective.parts import members, numbered
from strive.stages.train.objective.scales import AdvantageConfig
from strive.stages.train.objective.scopes import SCOPES, Question
from strive.stages.train.objective.spread import statistics


@dataclass(frozen=True)
class Advantages:
    """One advantage a row, and which rows count in the loss's denominator.

    values: float64 [R]; exactly 0 where rewards are equal or where a row has no finite reward.
    counted: bool [R]; False for rows without a finite reward, and, under `zero_std: drop` and
    `resample` (where the loop has put other questions in their place, as far as it could), where equal rewards are
    compared.
    stats: the metrics `frac_zero_std`, `frac_zero_std_accuracy`, `frac_zero_std_per_variant`, `adv_var_within`,
    `adv_var_between`, `reward_var_within`, `reward_var_between`, `bad_rewards`.
    """

    values: np.ndarray
    counted: np.ndarray
    stats: dict[str, float]


def compute(
    rewards: Sequence[float] | np.ndarray,
    group_ids: Sequence[Hashable],
    variant_ids: Sequence[Hashable],
    config: AdvantageConfig,
    accuracy: Sequence[float] | np.ndarray | None = None,
) -> Advantages:
    """Advantages of R rows that may stand in any order, with any number of variants and generations per group.

    `rewards` [R] may hold NaN or inf: such a row is left out of every baseline and std and gets advantage 0. `accuracy`
    [R], if given, is only used for `frac_zero_std_accuracy`.
    """
    raw = np.asarray(rewards, dtype=np.float64)
    groups = numbered(list(group_ids))
    cells = numbered(list(zip(group_ids, variant_ids, strict=True)))
    scored = np.isfinite(raw)
    values, teaches = _scoped(raw, groups, cells, scored, config)
    if config.advantage_clip > 0:
        values = values.clip(-config.advantage_clip, config.advantage_clip)
    counted = scored if config.zero_std == "keep" else scored & teaches
    hits = raw if accuracy is None else np.where(scored, np.asarray(accuracy, dtype=np.float64), np.nan)
    return Advantages(values, counted, statistics(raw, hits, values, groups, cells, scored))


def teaches(rewards: Sequence[float] | np.ndarray, variant_ids: Sequence[Hashable], config: AdvantageConfig) -> bool:
    """True when one group's rewards [n] give any gradient; `zero_std: resample` replaces the questions where not.

    Rewards that are not finite are left out. What has to differ depends on the scope: rewards anywhere in the group
    under `joint`, rewards on one variant under `per_variant` and `row_mean_joint_std`, either those or the variants'
    means under `hierarchical` (as `advantage_mix` weighs them).
    """
    raw = np.asarray(rewards, dtype=np.float64)
    whole = np.zeros(len(raw), dtype=np.int64)
    return bool(_scoped(raw, whole, numbered(list(variant_ids)), np.isfinite(raw), config)[1].any())


def _scoped(raw: np.ndarray, groups: np.ndarray, cells: np.ndarray, scored: np.ndarray,
            config: AdvantageConfig) -> tuple[np.ndarray, np.ndarray]:
    """Advantages before clipping, and where they say something; float64, bool [R]."""
    values, taught = np.zeros(len(raw)), np.zeros(len(raw), dtype=bool)
    scope, batch = SCOPES[config.advantage_scope], raw[scored]
    for rows in members(groups, scored):
        made = scope(Question(raw[rows], members(cells[rows], np.ones(len(rows), dtype=bool)), batch), config)
        values[rows], taught[rows] = made.values, made.teaches
    return values, taught

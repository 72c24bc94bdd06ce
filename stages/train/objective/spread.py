"""Where a step's rewards and advantages vary: within variants, between them, and in how many groups not at all."""

from collections.abc import Sequence

import numpy as np

from strive.stages.train.objective.parts import is_flat, members


def decompose(values: np.ndarray, variants: np.ndarray) -> tuple[float, float]:
    """(within, between) of one group's values [n]: population variance = within variants + between their means.

    within = sum_v n_v Var(v) / n, between = sum_v n_v (mean_v - mean)^2 / n: the law of total variance, exact for any
    numbers of generations.
    """
    within = between = 0.0
    for rows in members(variants, np.ones(len(values), dtype=bool)):
        share = len(rows) / len(values)
        within += share * float(values[rows].var())
        between += share * float(values[rows].mean() - values.mean()) ** 2
    return within, between


def statistics(rewards: np.ndarray, accuracy: np.ndarray, values: np.ndarray, groups: np.ndarray, cells: np.ndarray,
               scored: np.ndarray) -> dict[str, float]:
    """The metrics of R rows: rewards, accuracies and advantages [R], the numbers of their groups and of their variants
    within groups int64 [R], and which have a finite reward, bool [R]; variances are means over groups."""
    whole = members(groups, scored)
    adv_within, adv_between = _split(values, whole, cells)
    reward_within, reward_between = _split(rewards, whole, cells)
    return {
        "frac_zero_std": share_flat(rewards, whole),
        "frac_zero_std_accuracy": share_flat(accuracy, whole),
        "frac_zero_std_per_variant": share_flat(rewards, members(cells, scored)),
        "adv_var_within": adv_within,
        "adv_var_between": adv_between,
        "reward_var_within": reward_within,
        "reward_var_between": reward_between,
        "bad_rewards": float(len(rewards) - scored.sum()),
    }


def share_flat(rewards: np.ndarray, parts: Sequence[np.ndarray]) -> float:
    """The share of parts (row numbers) whose rewards are equal; 0 without parts."""
    return float(np.mean([is_flat(rewards[rows]) for rows in parts])) if parts else 0.0


def _split(values: np.ndarray, parts: Sequence[np.ndarray], cells: np.ndarray) -> tuple[float, float]:
    if not parts:
        return 0.0, 0.0
    within, between = np.mean([decompose(values[rows], cells[rows]) for rows in parts], axis=0)
    return float(within), float(between)

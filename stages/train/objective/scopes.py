"""What a reward is compared with and what its gain is divided by: its question's rollouts, or its variant's alone.

R rewards of one question, mu and sigma their mean and std; mu_v and s_v those of the rewards on variant v.

    joint                 (R - mu) / (sigma + eps)             STRIVE, arXiv 2604.01824; one variant: GRPO
    per_variant           (R - mu_v) / (s_v + eps)             one GRPO group for each variant
    joint_mean_row_std    (R - mu) / (s_v + eps)
    row_mean_joint_std    (R - mu_v) / (sigma + eps)
    hierarchical          a (R - mu_v) / (s_v + eps) + (1 - a) (mu_v - mu) / (s_b + eps), s_b = std of the mu_v
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from strive.stages.train.objective.parts import is_flat
from strive.stages.train.objective.scales import SCALES, AdvantageConfig

BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda rewards: np.full(len(rewards), rewards.mean()),
    "leave_one_out": lambda rewards: (rewards.sum() - rewards) / (len(rewards) - 1),
}
"""`leave_one_out` is RLOO's (arXiv 2402.14740): the mean of the others, n / (n - 1) as large a gain."""


@dataclass(frozen=True)
class Question:
    """The finite rewards of one question [n], the places of each variant's, and those of the whole batch [N]."""

    rewards: np.ndarray
    variants: list[np.ndarray]
    batch: np.ndarray

    def whole(self, measure: Callable[[np.ndarray], Any]) -> np.ndarray:
        """`measure` of all the question's rewards, at each place; [n]."""
        return np.zeros(len(self.rewards)) + measure(self.rewards)

    def rows(self, measure: Callable[[np.ndarray], Any]) -> np.ndarray:
        """`measure` of the rewards of a place's own variant, at each place; [n]."""
        out = np.zeros(len(self.rewards))
        for places in self.variants:
            out[places] = measure(self.rewards[places])
        return out


@dataclass(frozen=True)
class Scoped:
    """Advantages [n] before they are clipped, and where they say something: False where they are 0 because rewards
    that are compared are equal."""

    values: np.ndarray
    teaches: np.ndarray


Over = Callable[[Question, Callable[[np.ndarray], Any]], np.ndarray]
Scope = Callable[[Question, AdvantageConfig], Scoped]


def scaled_gain(compared: Over, divided: Over) -> Scope:
    """gain over `compared` / (std over `divided` + eps).

    What has no std, such as a variant of equal rewards under `joint_mean_row_std`, has advantage 0 unless
    `advantage_min_std` gives it one.
    """

    def scope(question: Question, config: AdvantageConfig) -> Scoped:
        gains = compared(question, lambda rewards: gain(rewards, config))
        divisors = divided(question, lambda rewards: SCALES[config.advantage_scale](rewards, question.batch, config))
        differ = compared(question, lambda rewards: not is_flat(rewards)) > 0
        return Scoped(gains / divisors, differ & np.isfinite(divisors))

    return scope


def hierarchical(question: Question, config: AdvantageConfig) -> Scoped:
    """Within variants and between their means, each with its own std, weighed by a = `advantage_mix`.

    mu is the mean over rollouts, so advantages sum to 0 also where variants have unequally many; s_b counts each
    variant once.
    """
    own, mix = SCOPES["per_variant"](question, config), config.advantage_mix
    means = np.array([question.rewards[places].mean() for places in question.variants])
    scale = SCALES[config.advantage_scale](means, question.batch, config)
    between = np.zeros(len(question.rewards))
    apart = not is_flat(means) and np.isfinite(scale)
    if apart:
        between = (question.rows(np.mean) - question.rewards.mean()) / scale
    return Scoped(mix * own.values + (1 - mix) * between, (mix > 0) & own.teaches | ((mix < 1) & bool(apart)))


def gain(rewards: np.ndarray, config: AdvantageConfig) -> np.ndarray:
    """r - baseline [n]; exactly 0 when the rewards are equal or fewer than two."""
    if is_flat(rewards):
        return np.zeros(len(rewards))
    return rewards - BASELINES[config.advantage_baseline](rewards)


SCOPES: dict[str, Scope] = {
    "joint": scaled_gain(Question.whole, Question.whole),
    "per_variant": scaled_gain(Question.rows, Question.rows),
    "hierarchical": hierarchical,
    "joint_mean_row_std": scaled_gain(Question.whole, Question.rows),
    "row_mean_joint_std": scaled_gain(Question.rows, Question.whole),
}

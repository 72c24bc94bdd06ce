"""What a reward's gain is divided by: a std of its own rewards, that of the whole batch, or nothing.

Scale `group` is GRPO's (arXiv 2402.03300, section 4.1.2), `batch` TRL's `scale_rewards="batch"`, `none` Dr. GRPO's
(arXiv 2503.20783).
"""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from strive.stages.train.objective.parts import is_flat


class AdvantageConfig(Protocol):
    """The keys of `train` that advantages are made by."""

    @property
    def advantage_scope(self) -> str: ...
    @property
    def advantage_baseline(self) -> str: ...
    @property
    def advantage_scale(self) -> str: ...
    @property
    def advantage_mix(self) -> float: ...
    @property
    def advantage_min_std(self) -> float: ...
    @property
    def advantage_clip(self) -> float: ...
    @property
    def advantage_eps(self) -> float: ...
    @property
    def advantage_ddof(self) -> int: ...
    @property
    def zero_std(self) -> str: ...


Scale = Callable[[np.ndarray, np.ndarray, AdvantageConfig], float]


def divisor(rewards: np.ndarray, config: AdvantageConfig) -> float:
    """max(std, min_std) + eps of finite rewards [n]; inf where that has no std to divide by, so that the gain is 0."""
    std = 0.0 if is_flat(rewards) else float(rewards.std(ddof=config.advantage_ddof))
    floored = max(std, config.advantage_min_std)
    return floored + config.advantage_eps if floored > 0 else math.inf


SCALES: dict[str, Scale] = {
    "group": lambda own, batch, config: divisor(own, config),
    "batch": lambda own, batch, config: divisor(batch, config),
    "none": lambda own, batch, config: 1.0,
}
"""From the rewards that the scope divides by (or, scope `hierarchical`, the means of variants) and the batch's."""

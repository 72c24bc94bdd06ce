"""How a question's rollouts are split over its variants: evenly, or with ever more of them on the canonical view.

Annealing follows NoisyRollout (arXiv 2504.13055, eq. 4), where the distortion of half the rollouts' views fades by a
sigmoid. Here a variant is either rolled out or not, and it is the chance of it that falls from 1 to 0.
"""

import math
from collections.abc import Callable

from strive.configs.errors import UsageError
from strive.configs.run_stages import TrainConfig
from strive.stages.train.questions.order import derive_seed

STEEPNESS = 30.0
"""lambda of NoisyRollout's sigmoid."""
CURVES: dict[str, Callable[[float], float]] = {
    "none": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 + 0.5 * math.cos(math.pi * done),
    "sigmoid": lambda done: 1.0 - 1.0 / (1.0 + math.exp(-STEEPNESS * (done - 0.5))),
}
"""The chance in [0, 1] that a variant beyond the first is rolled out, by the share of `anneal_steps` that is done."""


def per_variant(rollouts: int, variants: int, who: str) -> int:
    """Generations per variant; `UsageError` when the question's rollouts cannot be split evenly over its variants."""
    if rollouts % variants:
        raise UsageError(f"train.rollouts = {rollouts} over the {variants} variants of {who}",
                         "a multiple of the variants",
                         f"Set train.rollouts={variants * max(1, rollouts // variants)} or change variants.count.")
    return rollouts // variants


def chance(config: TrainConfig, step: int) -> float:
    """Of a variant beyond the first in the step that follows `step` finished ones: 1 at the start, 0 from
    `anneal_steps` on."""
    if config.anneal == "none":
        return 1.0
    done = step / config.anneal_steps
    return 0.0 if done >= 1 else CURVES[config.anneal](done)


def annealed(rollouts: int, variants: int, config: TrainConfig, step: int, sample_id: str) -> list[int]:
    """Generations of each variant in this step; variant 0 takes over those of variants whose turn it is not.

    Which variants these are depends on (seed, step, question, variant) alone; their sum is `rollouts` always.
    """
    each = per_variant(rollouts, variants, f"sample {sample_id}")
    limit = chance(config, step)
    counts = [each] * variants
    for variant in range(1, variants):
        if derive_seed(config.seed, "train", "anneal", step, sample_id, variant) % (1 << 32) >= limit * (1 << 32):
            counts[0], counts[variant] = counts[0] + each, 0
    return counts

"""Inverse-transform sampling (BOLT): frames at equal steps of the scores' cumulative sum, each frame at most once."""

import numpy as np

from strive.stages.views.selection import SamplerParams
from strive.stages.views.uniform import uniform_indices


def its(z: np.ndarray, k: int, rng: np.random.Generator, params: SamplerParams) -> np.ndarray:
    """Sorted unique int64 [min(k, N)]: the k quantiles of the distribution p_t ∝ s_t^its_power, s the min-max score.

    BOLT (Liu et al., CVPR 2025, `select_frames.py`) takes, for q = linspace(1/k, 1 − 1/k, k), the first frame whose
    cumulative p reaches q. A frame with much of the mass comes several times that way, k = 2 always gives one frame
    twice, k = 1 asks for q = 1, which rounding can put behind the last frame, and equal scores divide 0 by 0. Here the
    first round is BOLT's, for k > 2; what is missing is drawn in the same way, at q = (i + 1/2) / m, from the frames
    not taken yet, until there are k. So the result is BOLT's wherever that has k different frames, holds all of
    BOLT's frames otherwise, and is `uniform` where all scores are equal. its_power → ∞ is `topk`. No randomness, no
    bound on gaps.
    """
    n, k = len(z), min(k, len(z))
    values = np.asarray(z, np.float64)
    if not n or np.ptp(values) == 0:
        return uniform_indices(n, k)
    score = values - values.min()
    score /= score.max()
    free, steps = np.arange(n), quantiles(k)
    while len(steps):
        weights = weights_of(score[free], params.its_power)
        free = np.delete(free, inverse_cdf(weights, steps))
        steps = middles(k - (n - len(free)))
    return np.setdiff1d(np.arange(n, dtype=np.int64), free)


def quantiles(k: int) -> np.ndarray:
    """BOLT's k steps of 0..1; the middles of k equal parts where BOLT's are no use."""
    return np.linspace(1 / k, 1 - 1 / k, k) if k > 2 else middles(k)


def middles(m: int) -> np.ndarray:
    """(i + 1/2) / m for i < m, float64 [m]."""
    return (np.arange(m) + 0.5) / max(m, 1)


def weights_of(score: np.ndarray, power: float) -> np.ndarray:
    """score^power up to a common factor, which keeps a high power from becoming 0 everywhere; equal where all are 0."""
    best = score.max()
    return (score / best) ** power if best > 0 else np.ones(len(score))


def inverse_cdf(weights: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The first place where the cumulative share of the weights reaches each step, unique int64, rising."""
    cumulative = np.cumsum(weights / weights.sum())
    return np.unique(np.minimum(np.searchsorted(cumulative, steps), len(weights) - 1))

"""Adaptive keyframe sampling (AKS): halve the video where nothing stands out, take the best frames of each stretch."""

import numpy as np

from strive.stages.views.selection import SamplerParams
from strive.stages.views.uniform import uniform_indices


def aks(z: np.ndarray, k: int, rng: np.random.Generator, params: SamplerParams) -> np.ndarray:
    """Sorted unique int64 [min(k, N)]: recursive halving with a budget, then the best frames of each stretch.

    AKS (Tang et al., CVPR 2025, `frame_select.py`), on min-max scores: a stretch is halved unless the mean of its k
    best scores lies more than aks_threshold above its mean, or it is aks_depth halvings deep; a stretch of depth d
    gives its int(k / 2^d) best frames. That gives no frame at all below depth log2 k, too few wherever 2^d does not
    divide k, means of nothing once a stretch is empty, and 0 / 0 on equal scores. Here the halves share the budget of
    their stretch in whole numbers, the odd frame goes to the half whose next best frame is better (the earlier of
    equals), and a stretch with one frame to give, or with all of its frames to give, is not halved. So there are always
    k frames, AKS's own are among them, and they are exactly AKS's wherever AKS gives k. Equal scores give `uniform`.
    No randomness, no bound on gaps.
    """
    n, k = len(z), min(k, len(z))
    values = np.asarray(z, np.float64)
    if not n or np.ptp(values) == 0:
        return uniform_indices(n, k)
    score = values - values.min()
    return np.sort(best_of_stretches(score / score.max(), 0, k, k, params.aks_depth, params.aks_threshold))


def best_of_stretches(
    score: np.ndarray, start: int, budget: int, prominent: int, depth: int, threshold: float
) -> np.ndarray:
    """int64 [budget]: places (from `start` on) of the frames that a stretch, or what it is halved into, gives.

    `budget` ≤ len(score); `prominent`: of how many of its best frames the mean must stand out; `depth`: halvings left.
    """
    order = np.argsort(-score, kind="stable")
    stands_out = score[order[:prominent]].mean() - score.mean() > threshold
    if stands_out or depth <= 0 or not 1 < budget < len(score):
        return order[:budget].astype(np.int64) + start
    middle = len(score) // 2
    halves = score[:middle], score[middle:]
    first = budget // 2 + (budget % 2 and odd_goes_first(*halves, budget // 2))
    return np.concatenate([
        best_of_stretches(halves[0], start, first, prominent, depth - 1, threshold),
        best_of_stretches(halves[1], start + middle, budget - first, prominent, depth - 1, threshold),
    ])


def odd_goes_first(first: np.ndarray, second: np.ndarray, given: int) -> bool:
    """Whether, after `given` frames from each, the next best frame of the first half is at least as good."""
    return bool(np.sort(first)[-1 - given] >= np.sort(second)[-1 - given])

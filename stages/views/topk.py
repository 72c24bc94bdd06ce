"""Top-k sampling: the k frames with the highest scores, without regard to time."""

import numpy as np

from strive.stages.views.selection import SamplerParams, fill_with_best
from strive.stages.views.uniform import uniform_indices

NONE = np.empty(0, np.int64)


def topk(z: np.ndarray, k: int, rng: np.random.Generator, params: SamplerParams) -> np.ndarray:
    """Sorted unique int64 [min(k, N)] of the best scores, the earliest of equals; uniform where all are equal."""
    k = min(k, len(z))
    if not len(z) or np.ptp(z) == 0:
        return uniform_indices(len(z), k)
    return fill_with_best(z, NONE, k)

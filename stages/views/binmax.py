"""Bin-max sampling: the best frame of each of k equal time bins (TSPO's choice for Video-MME)."""

import numpy as np

from strive.stages.views.selection import SamplerParams, best_per_bin


def binmax(z: np.ndarray, k: int, rng: np.random.Generator, params: SamplerParams) -> np.ndarray:
    """Sorted unique int64 [min(k, N)], one index in every bin, so gaps stay below two bins."""
    return best_per_bin(z, min(k, len(z)))

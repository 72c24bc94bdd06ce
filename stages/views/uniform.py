"""Uniform sampling: the middles of k equal stretches of the pool, whatever the scores say."""

import numpy as np

from strive.stages.views.selection import SamplerParams


def uniform_indices(n: int, k: int) -> np.ndarray:
    """floor((i + 0.5) · n / k) for i < min(k, n) in whole numbers: sorted unique int64 [min(k, n)]."""
    k = min(k, n)
    return (2 * np.arange(k, dtype=np.int64) + 1) * n // max(2 * k, 1)


def phase_indices(n: int, k: int, step: int, steps: int) -> np.ndarray:
    """floor((i + p) · n / k) with the phase p = (1/2 + step / steps) mod 1: sorted unique int64 [min(k, n)].

    Step 0 is `uniform_indices`; the other steps show the frames in between, so `steps` views share as few as they can.
    """
    k = min(k, n)
    shift = (steps + 2 * step) % (2 * steps)
    return (2 * steps * np.arange(k, dtype=np.int64) + shift) * n // max(2 * steps * k, 1)


def uniform(z: np.ndarray, k: int, rng: np.random.Generator, params: SamplerParams) -> np.ndarray:
    """`uniform_indices` behind the samplers' signature."""
    return uniform_indices(len(z), k)

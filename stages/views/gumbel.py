"""Gumbel samplers: importance-aware random draws, stratified (coverage-preserving) or not."""

import numpy as np

from strive.stages.views.randomness import gumbel as gumbel_noise
from strive.stages.views.selection import SamplerParams, best_per_bin, fill_with_best, noisy_keys


def strat_gumbel(z: np.ndarray, k: int, rng: np.random.Generator, params: SamplerParams) -> np.ndarray:
    """Stratified Gumbel-top-k, sorted unique int64 [min(k, N)].

    key_t = z_t / tau + g_t with g ~ Gumbel(0, 1); B = round(coverage · k) equal time bins give their best key each,
    the other k − B frames are the best keys left. tau → ∞ with coverage 1 is jittered uniform, tau → 0 is bin-max
    (coverage 1) or top-k (coverage 0), coverage 0 is `gumbel`. With B bins no gap exceeds 2 ⌈N / B⌉.
    """
    n = len(z)
    k = min(k, n)
    keys = noisy_keys(np.asarray(z, np.float64), gumbel_noise(rng, n), params.tau)
    bins = min(k, int(np.floor(params.coverage * k + 0.5)))
    return fill_with_best(keys, best_per_bin(keys, bins), k)


def gumbel(z: np.ndarray, k: int, rng: np.random.Generator, params: SamplerParams) -> np.ndarray:
    """Gumbel-top-k: k draws without replacement from softmax(z / tau) (Q-Frame, without its resolution tiers)."""
    return strat_gumbel(z, k, rng, SamplerParams(params.tau, 0.0))

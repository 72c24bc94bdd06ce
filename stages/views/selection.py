"""What all samplers are made of: the samplers' signature, equal time bins, best-of-bin and best-of-rest."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strive.configs.data_stages import VariantsConfig


@dataclass(frozen=True)
class SamplerParams:
    """The settings of the samplers; each reads its own.

    tau ≥ 0: temperature (gumbel, strat_gumbel). coverage in 0..1: share of the frames drawn one per time bin
    (strat_gumbel). its_power > 0: exponent of the scores (its). aks_depth, aks_threshold: most halvings, and the
    prominence at which a stretch is not halved again (aks).
    """

    tau: float = 0.5
    coverage: float = 0.5
    its_power: float = 1.0
    aks_depth: int = 5
    aks_threshold: float = 0.8

    @staticmethod
    def of(config: VariantsConfig) -> "SamplerParams":
        """The samplers' part of `variants`."""
        return SamplerParams(config.tau, config.coverage, config.its_power, config.aks_depth, config.aks_threshold)


Sampler = Callable[[np.ndarray, int, np.random.Generator, SamplerParams], np.ndarray]


def bin_edges(n: int, bins: int) -> np.ndarray:
    """Edges of `bins` ≤ n near-equal bins of 0..n−1, int64 [bins + 1]; sizes differ by at most one, none is empty."""
    return np.arange(bins + 1, dtype=np.int64) * n // max(bins, 1)


def best_per_bin(keys: np.ndarray, bins: int) -> np.ndarray:
    """The index of the highest key of each bin (the earliest of equals), int64 [bins], rising."""
    edges = bin_edges(len(keys), bins)
    return np.array([a + int(np.argmax(keys[a:b])) for a, b in zip(edges[:-1], edges[1:], strict=True)], np.int64)


def fill_with_best(keys: np.ndarray, picked: np.ndarray, k: int) -> np.ndarray:
    """`picked` and the highest other keys (the earliest of equals) until there are k, sorted int64 [k]."""
    order = np.argsort(-keys, kind="stable")
    rest = order[~np.isin(order, picked)]
    return np.sort(np.concatenate([picked, rest[: k - len(picked)]]))


def noisy_keys(z: np.ndarray, noise: np.ndarray, tau: float) -> np.ndarray:
    """Keys in the order of z / tau + noise, without overflow at tau = 0 (z alone) and at tau = ∞ (noise alone)."""
    return z + tau * noise if tau <= 1.0 else z / tau + noise

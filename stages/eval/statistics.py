"""Means with standard errors that know that questions about one video are not independent."""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence

Z95 = 1.959963984540054


def mean(values: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return math.fsum(values) / len(values) if values else None


def clustered_se(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """Cluster-robust standard error of the mean, None with fewer than two clusters.

    se² = G / (G − 1) · Σ_g (Σ_{i∈g} (x_i − x̄))² / n²  with G clusters (Cameron & Miller 2015, the intercept-only case);
    with one question per video it is the usual s / √n.
    """
    centre = mean(values)
    if centre is None:
        return None
    sums: dict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - centre
    if len(sums) < 2:
        return None
    scale = len(sums) / (len(sums) - 1)
    return math.sqrt(scale * math.fsum(total * total for total in sums.values())) / len(values)


def interval95(centre: float | None, se: float | None) -> list[float] | None:
    """[low, high] of a share with 95 % confidence (normal), kept inside [0, 1]."""
    if centre is None or se is None:
        return None
    return [max(0.0, centre - Z95 * se), min(1.0, centre + Z95 * se)]

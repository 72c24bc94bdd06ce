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
    sums: dict[Hashable, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for value, cluster in zip(values, clusters, strict=True):
        total, count = sums[cluster]
        sums[cluster] = (total + value, count + 1)
    return se_of_sums(list(sums.values()))


def se_of_sums(clusters: Sequence[tuple[float, int]]) -> float | None:
    """`clustered_se` from each cluster's (sum of values, number of values)."""
    n = sum(count for _, count in clusters)
    if len(clusters) < 2:
        return None
    centre = math.fsum(total for total, _ in clusters) / n
    scale = len(clusters) / (len(clusters) - 1)
    return math.sqrt(scale * math.fsum((total - count * centre) ** 2 for total, count in clusters)) / n


def interval95(centre: float | None, se: float | None) -> list[float] | None:
    """[low, high] of a share with 95 % confidence (normal), kept inside [0, 1]."""
    if centre is None or se is None:
        return None
    return [max(0.0, centre - Z95 * se), min(1.0, centre + Z95 * se)]

"""Means, paired differences, areas and adjusted p-values of a comparison, each with the randomness that it covers.

An interval over seeds says what another seed would have given on the same questions; one over questions says what other
questions would have given with the same policies. Neither covers the other.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from scipy import stats

from strive.stages.eval.figures.statistics import clustered_se

EQUAL = 1e-12
"""A spread below this, relative to the values, is rounding."""
ONE = "one value, no interval"


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval.

    ci: (low, high); None with fewer than two values, and where all are equal: a spread of 0 cannot be told from one
    that was not met. sd: sample standard deviation (ddof 1), None with fewer than two. p: two-sided, of the mean being
    0; only differences have it. note: why there is no interval, else "".
    """

    mean: float | None
    ci: tuple[float, float] | None
    sd: float | None
    n: int
    p: float | None = None
    note: str = ""


def estimate(values: Sequence[float]) -> Estimate:
    """Mean ± t(0.975, n − 1) · s / √n (Student 1908), s with ddof 1."""
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, note="no value")
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, None, None, 1, note=ONE)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    if is_flat(values):
        return Estimate(mean, None, 0.0, n, note="all values equal")
    return Estimate(mean, around(mean, sd / math.sqrt(n), n - 1), sd, n)


def paired(treated: Sequence[float], control: Sequence[float]) -> Estimate:
    """Mean of treated − control, pair by pair, with its t interval and the p-value of the paired t-test.

    The two have the same length (ValueError otherwise). Where every pair differs by the same amount there is neither
    interval nor p, and the note says so.
    """
    found = estimate([a - b for a, b in zip(treated, control, strict=True)])
    if found.ci is None:
        return found if found.n < 2 else flat_difference(found, scale([*treated, *control]))
    return Estimate(found.mean, found.ci, found.sd, found.n, float(stats.ttest_rel(treated, control).pvalue))


def flat_difference(found: Estimate, largest: float) -> Estimate:
    """Every pair differs alike: by nothing at all (rounding taken off), or by a constant."""
    if found.mean is not None and abs(found.mean) <= EQUAL * largest:
        return replace(found, mean=0.0, note="identical")
    return replace(found, note="every difference equal")


def clustered(gaps: Mapping[Hashable, Sequence[float]]) -> Estimate:
    """The mean of all differences, whose clusters (here: videos) are independent and their members are not.

    Cluster-robust standard error (Cameron & Miller 2015, the intercept-only case), t with clusters − 1 degrees of
    freedom. `n` counts differences; `sd` is not given.
    """
    flat = [(value, name) for name in gaps for value in gaps[name]]
    values = [value for value, _ in flat]
    if not values:
        return Estimate(None, None, None, 0, note="nothing to pair")
    mean = math.fsum(values) / len(values)
    se = clustered_se(values, [name for _, name in flat])
    if se is None or se <= EQUAL:
        return Estimate(mean, None, None, len(values), note=ONE if se is None else "every difference equal")
    freedom = len({name for _, name in flat}) - 1
    p = float(2 * stats.t.sf(abs(mean) / se, freedom))
    return Estimate(mean, around(mean, se, freedom), None, len(values), p)


def area(points: Sequence[tuple[float, float]]) -> float | None:
    """Mean height of a learning curve: its trapezoids' area divided by the rollouts they span; None without a span.

    `points`: (generated rollouts, accuracy) in rising order of rollouts, the base policy's at 0 first.
    """
    span = points[-1][0] - points[0][0] if points else 0.0
    if span <= 0:
        return None
    pieces = [(x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False)]
    return math.fsum(pieces) / span


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (1979): max over smaller ones of (m − rank) · p, at most 1.

    None stays and is not counted. Comparing each with 0.05 keeps the chance of any false finding below 0.05, however
    the tests depend on each other.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = highest
    return adjusted


def around(mean: float, se: float, freedom: int) -> tuple[float, float]:
    """The 95 % t interval."""
    half = quantile(freedom) * se
    return mean - half, mean + half


@lru_cache(maxsize=4096)
def quantile(freedom: int) -> float:
    """t(0.975)."""
    return float(stats.t.ppf(0.975, freedom))


def is_flat(values: Sequence[float]) -> bool:
    """All equal but for rounding."""
    return max(values) - min(values) <= EQUAL * scale(values)


def scale(values: Sequence[float]) -> float:
    """The largest magnitude, at least 1."""
    return max(1.0, *(abs(value) for value in values))

"""Presentation times put in order, and the share of the announced duration that they cover."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FALLBACK_RATE = 25.0
HIGHEST_RATE = 1000.0


@dataclass(frozen=True)
class Timeline:
    """Times of decoded frames: float64 [N], strictly rising, seconds from the container's start; `estimated` when any
    of them was missing or went backward and was filled."""

    times: np.ndarray
    estimated: bool


def fill(raw: Sequence[float | None], rate: float) -> Timeline:
    """A missing time, or one not after its predecessor, becomes previous + 1 / rate (rate: average frames/s)."""
    times = np.empty(len(raw), np.float64)
    estimated = False
    previous = -1.0 / rate
    for i, value in enumerate(raw):
        if value is None or (i and value <= previous):
            estimated = True
            value = previous + 1.0 / rate
        times[i] = previous = value
    return Timeline(times, estimated)


def usable_rate(*candidates: float | None) -> float:
    """The first average rate that can be one (0 < rate ≤ 1000), else 25."""
    return next((float(rate) for rate in candidates if rate and 0 < rate <= HIGHEST_RATE), FALLBACK_RATE)


def covered(times: np.ndarray, broken_before: np.ndarray, last_s: float, rate: float) -> float:
    """Seconds on screen of decoded frames.

    A frame covers the time until the next one, or 1 / rate when data was lost between them (`broken_before` [N] bool
    marks the frames before which a packet could not be decoded); the last frame covers `last_s`.
    """
    if not len(times):
        return 0.0
    gaps = np.diff(times)
    lost = broken_before[1:]
    gaps[lost] = np.minimum(gaps[lost], 1.0 / rate)
    return float(gaps.sum() + last_s)

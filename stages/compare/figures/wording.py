"""Figures of compare.json as people read them: per cent, percentage points, intervals, p-values; a dash for none."""

import math
from collections.abc import Mapping
from typing import Any

NONE = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    return NONE if value is None else f"{100 * value:.{digits}f} %"


def points(value: float | None, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign."""
    if value is None:
        return NONE
    found = round(100 * value, digits)
    return minus(f"{found:+.{digits}f}") if found else f"{0:.{digits}f}"


def share(found: Mapping[str, Any] | None) -> str:
    """Mean ± half of the 95 % interval, in per cent."""
    if found is None or found["mean"] is None:
        return NONE
    return percent(found["mean"]) if found["ci"] is None else f"{100 * found['mean']:.1f} ± {half(found, 100):.1f} %"


def amount(found: Mapping[str, Any] | None) -> str:
    """Mean with three significant digits, ± half of the 95 % interval with as many decimals, more where it is tiny."""
    if found is None or found["mean"] is None:
        return NONE
    decimals = decimals_of(found["mean"])
    if found["ci"] is None:
        return minus(f"{found['mean']:,.{decimals}f}")
    if round(half(found), decimals) == 0:
        decimals = decimals_of(half(found)) - 2
    return minus(f"{found['mean']:,.{decimals}f} ± {half(found):,.{decimals}f}")


def decimals_of(value: float) -> int:
    """Decimals that show three significant digits."""
    return max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0


def difference(found: Mapping[str, Any] | None) -> str:
    """Percentage points with the 95 % interval; why there is none otherwise."""
    if found is None or found["mean"] is None:
        return NONE
    if found["ci"] is None:
        return f"{points(found['mean'])} ({'n = 1' if found['n'] == 1 else found.get('note', 'no interval')})"
    low, high = found["ci"]
    digits = 2 if any(0 < abs(end) < 0.0005 for end in (low, high)) else 1  # so that 0 inside can be told from beside
    return f"{points(found['mean'], digits)} [{points(low, digits)}, {points(high, digits)}]"


def probability(value: float | None) -> str:
    """A p-value with two digits, never 0."""
    if value is None:
        return NONE
    if value < 1e-4:
        return "< 0.0001"
    return f"{value:.{4 if value < 1e-3 else 3 if value < 0.1 else 2}f}"


def half(found: Mapping[str, Any], factor: float = 1.0) -> float:
    """Half the width of the interval, which lies evenly around the mean."""
    low, high = found["ci"]
    return float(factor * (high - low) / 2)


def duration(seconds: float | None) -> str:
    """Seconds as minutes and seconds, or hours and minutes."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def minus(text: str) -> str:
    """With the sign of mathematics."""
    return text.replace("-", "−")

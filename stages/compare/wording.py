"""Figures of compare.json as people read them: per cent, percentage points, intervals, p-values; a dash for none."""

from collections.abc import Mapping
from typing import Any

NONE = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    return NONE if value is None else f"{100 * value:.{digits}f} %"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return NONE if value is None else minus(f"{100 * value:+.1f}".replace("+0.0", "0.0").replace("-0.0", "0.0"))


def share(found: Mapping[str, Any] | None) -> str:
    """Mean ± half of the 95 % interval, in per cent."""
    if found is None or found["mean"] is None:
        return NONE
    return percent(found["mean"]) if found["ci"] is None else f"{100 * found['mean']:.1f} ± {half(found, 100):.1f} %"


def amount(found: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Mean ± half of the 95 % interval, with `digits` significant digits of the mean."""
    if found is None or found["mean"] is None:
        return NONE
    mean = compact(found["mean"], digits)
    return mean if found["ci"] is None else f"{mean} ± {compact(half(found), 2)}"


def difference(found: Mapping[str, Any] | None) -> str:
    """Percentage points with the 95 % interval; why there is none otherwise."""
    if found is None or found["mean"] is None:
        return NONE
    if found["ci"] is None:
        return f"{points(found['mean'])} ({found.get('note', 'no interval')})"
    low, high = found["ci"]
    return f"{points(found['mean'])} [{points(low)}, {points(high)}]"


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


def compact(value: float, digits: int) -> str:
    """Significant digits without an exponent; thousands with commas."""
    if abs(value) >= 10 ** (digits - 1):
        return minus(f"{value:,.0f}")
    return minus(f"{float(f'{value:.{digits}g}'):g}")


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

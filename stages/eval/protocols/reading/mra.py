"""Mean relative accuracy as VSI-Bench's harnesses compute it: one float64 grid, and errors that differ off the set."""

from strive.stages.tasks.verifiers import THRESHOLDS

LIMITS = tuple(float(limit) for limit in 1 - THRESHOLDS)


def mra_of_error(error: float) -> float:
    """(1/10) Σ_θ 1[error ≤ 1 − θ], θ = .50, .55, …, .95, on the published grid (thinking-in-space)."""
    return sum(error <= limit for limit in LIMITS) / len(LIMITS)


def signed_relative_error(value: float, gold: float) -> float:
    """|p − g| / g, as published; raises `ZeroDivisionError` for g = 0, which the set does not have."""
    return abs(value - gold) / gold


def absolute_relative_error(value: float, gold: float) -> float:
    """|(p − g) / g|, and |p| for g = 0 (VLMEvalKit)."""
    return abs(value - gold) if gold == 0 else abs((value - gold) / gold)


def as_float(text: object) -> float | None:
    """What `float` makes of it, None if nothing."""
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None

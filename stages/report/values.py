"""Numbers out of files that others wrote: what is not one of the right kind is None, never a guess."""

import math
from collections.abc import Mapping
from typing import Any


def number(value: Any) -> float | None:
    """A finite number (not a truth value), or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def share(value: Any) -> float | None:
    """A number from 0 to 1, or None."""
    found = number(value)
    return found if found is not None and 0 <= found <= 1 else None


def count(value: Any) -> int | None:
    """A whole number from 0 to 2^53, or None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= 2**53 else None


def pair(value: Any) -> tuple[Any, Any]:
    """A list of two as it is, else two Nones."""
    return (value[0], value[1]) if isinstance(value, list | tuple) and len(value) == 2 else (None, None)


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping as it is, else an empty one."""
    return value if isinstance(value, Mapping) else {}

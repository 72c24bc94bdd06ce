"""Rows found by id: which belong together, and whether their rewards can be told apart."""

from collections.abc import Hashable

import numpy as np

EQUAL = 1e-9
"""Rewards closer together than this are equal: their advantages are exactly 0."""


def is_flat(rewards: np.ndarray) -> bool:
    """True when there is nothing to compare: fewer than two rewards, or all equal."""
    return len(rewards) < 2 or float(rewards.max() - rewards.min()) <= EQUAL


def numbered(ids: list[Hashable]) -> np.ndarray:
    """Ids as small integers in the order of their first appearance; int64 [R]."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in ids], dtype=np.int64)


def members(parts: np.ndarray, chosen: np.ndarray) -> list[np.ndarray]:
    """Row numbers of each part, chosen rows only, empty parts left out."""
    rows = np.flatnonzero(chosen)
    order = rows[np.argsort(parts[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(parts[order])) + 1
    return [part for part in np.split(order, cuts) if len(part)]

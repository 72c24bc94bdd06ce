"""One spatiotemporal view of a video for a question: which frames it shows and what was done to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Box(NamedTuple):
    """A rectangle in pixels of the stored frame: columns x0 ≤ x < x1, rows y0 ≤ y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class View:
    """T frames of the pool and the operators that made this view of them, in the order they were applied.

    Each entry of `operators` is `{"operator": name, …}` with every parameter, enough to do the same again. An entry
    of `vetoes` is `{"operator", "reason"}`, with `"topic"` when the guard took the operator away. `clip_bounds`
    (rising, from 0 to T) splits the view into clips of one image size each; None is one clip. `told`: the frames whose
    times are told, where an operator shows frames at other times than their own; None: each frame's own. `contrast`:
    rolled out for comparison only, never trained on.
    """

    indices: np.ndarray  # [T] int64 into the pool, T ≥ 1
    crop: Box | None = None
    operators: tuple[Mapping[str, Any], ...] = ()
    sampler: str = ""
    seed: int = 0
    vetoes: tuple[Mapping[str, Any], ...] = ()
    clip_bounds: tuple[int, ...] | None = None
    told: np.ndarray | None = None  # [T] int64 into the pool
    contrast: bool = False

    def bounds(self) -> tuple[int, ...]:
        """The clip boundaries, spelled out."""
        return self.clip_bounds or (0, len(self.indices))

    @property
    def timed(self) -> np.ndarray:
        """The frames whose presentation times stand at each position, int64 [T]."""
        return self.indices if self.told is None else self.told

"""Three-axis rotary positions (mRoPE) of a prompt with visual blocks, computed from true times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VisualBlock:
    """A run of visual tokens: temporal offsets (one per temporal patch) × rows × columns, after spatial merging."""

    temporal: tuple[int, ...]
    rows: int
    columns: int

    @property
    def tokens(self) -> int:
        return len(self.temporal) * self.rows * self.columns

    def offsets(self) -> np.ndarray:
        """int64 [3, tokens]: temporal, row, column of each token, temporal slowest."""
        grid = np.meshgrid(np.array(self.temporal, dtype=np.int64), np.arange(self.rows), np.arange(self.columns),
                           indexing="ij")
        return np.stack([axis.reshape(-1) for axis in grid]).astype(np.int64)


def rope_positions(is_visual: np.ndarray, blocks: Sequence[VisualBlock]) -> tuple[np.ndarray, int]:
    """Positions int64 [3, L] of a prompt and the position of the token after it.

    Text advances all axes by one. A visual block starts where the text stands, s: temporal s + offset, row s + i,
    column s + j. What follows a block stands at the maximum over ALL axes + 1, as in the code the Qwen2-VL family was
    trained and released with (`llm_pos_ids_list[-1].max() + 1`). transformers 5.23 instead goes on at
    max(rows, columns) + 1, so that for a long video the question would get positions that frames already have, a
    layout the weights never saw.

    `is_visual` bool [L] marks placeholders; its runs must have the sizes of `blocks`, in order (ValueError if not).
    """
    positions = np.empty((3, len(is_visual)), dtype=np.int64)
    cursor = 0
    remaining = iter(blocks)
    for start, stop, visual in _runs(is_visual):
        if visual:
            block = next(remaining, None)
            if block is None or block.tokens != stop - start:
                raise ValueError(f"a run of {stop - start} visual tokens does not match its block {block}")
            positions[:, start:stop] = cursor + block.offsets()
        else:
            positions[:, start:stop] = cursor + np.arange(stop - start)
        cursor = int(positions[:, start:stop].max()) + 1
    if next(remaining, None) is not None:
        raise ValueError("more visual blocks than runs of visual tokens")
    return positions, cursor


def _runs(flags: np.ndarray) -> Iterator[tuple[int, int, bool]]:
    edges = [0, *(np.flatnonzero(np.diff(flags.astype(np.int8))) + 1).tolist(), len(flags)]
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        if stop > start:
            yield start, stop, bool(flags[start])

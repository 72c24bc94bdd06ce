"""Runs images through an encoder in batches of one fixed size, equal images only once."""

from collections.abc import Callable, Iterable

import numpy as np

from strive.stages.score.controls import pixel_digest

EncodeBatch = Callable[[list[np.ndarray]], np.ndarray]


def encode_unique(images: Iterable[np.ndarray], encode: EncodeBatch, batch: int) -> np.ndarray:
    """[n, D] float32 for n images; equal images get the very same row. At most `batch` images are held at a time.

    `encode` must compute in the same shapes for fewer images than `batch`: then a row depends on the image and its
    place only, not on its neighbours.
    """
    slots: list[int] = []
    seen: dict[str, int] = {}
    waiting: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for image in images:
        digest = pixel_digest(image)
        if digest not in seen:
            seen[digest] = len(seen)
            waiting.append(image)
        slots.append(seen[digest])
        if len(waiting) == batch:
            rows.append(encode(waiting))
            waiting = []
    if waiting:
        rows.append(encode(waiting))
    return np.concatenate(rows)[slots] if rows else np.empty((0, 0), np.float32)

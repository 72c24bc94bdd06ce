"""The overlapping windows whose scores make a saliency map: tiles × tiles, each a share of the frame."""

from collections.abc import Iterable, Iterator

import numpy as np


def tile_boxes(per_side: int, side: float) -> np.ndarray:
    """float64 [per_side², 4]: x0, y0, x1, y1 in 0..1, row by row; one tile alone is central; none for 0."""
    starts = np.linspace(0.0, 1.0 - side, per_side) if per_side > 1 else np.full(per_side, (1.0 - side) / 2)
    boxes = [[x, y, x + side, y + side] for y in starts for x in starts]
    return np.array(boxes, np.float64).reshape(len(boxes), 4)


def cut_tiles(images: Iterable[np.ndarray], boxes: np.ndarray) -> Iterator[np.ndarray]:
    """All tiles of all images uint8 [H, W, 3], image by image; every tile has at least one pixel."""
    for image in images:
        height, width = image.shape[:2]
        for x0, y0, x1, y1 in boxes.tolist():
            left, top = min(int(x0 * width + 0.5), width - 1), min(int(y0 * height + 0.5), height - 1)
            right, bottom = max(left + 1, int(x1 * width + 0.5)), max(top + 1, int(y1 * height + 0.5))
            yield np.ascontiguousarray(image[top:bottom, left:right])

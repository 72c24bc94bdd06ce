"""Spatial operator: the least salient part of the picture greyed out, the same cells on every frame of a variant."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from strive.stages.views.operation import Inapplicable, Operator, Scene
from strive.stages.views.pixel_order import CUTS, MOVES, placed
from strive.stages.views.view import View

GRID = 8
"""Cells along each side of the frame; the scored tiles overlap and are too coarse to be greyed out whole."""
GREY = 128


def apply_mask(view: View, scene: Scene) -> View:
    """Grey out the least salient cells, as many as fit in `mask_area` of the frame; none of the best tile goes first.

    Saliency is averaged over the chosen frames. The mask lies on the whole frame, also where the view is cropped.
    """
    sizes, scores = scene.frame_sizes[view.indices], scene.scores
    if not scores.tile_saliency.shape[1]:
        raise Inapplicable("no tile saliency (score.tiles is 0)")
    if (sizes != sizes[0]).any():
        raise Inapplicable("frames of different sizes")
    saliency = scores.tile_saliency[view.indices].mean(axis=0, dtype=np.float64)
    if np.ptp(saliency) == 0:
        raise Inapplicable("all tiles are equally salient")
    height, width = (int(side) for side in sizes[0])
    cells = hidden_cells(ranked_cells(saliency, scores.tile_boxes), height, width, scene.config.mask_area)
    if not cells:
        raise Inapplicable(f"one cell of {GRID} x {GRID} is more than mask_area of the frame")
    step = {"operator": "mask", "cells": cells, "grid": GRID, "frame_size": [height, width],
            "mask_area": scene.config.mask_area}
    return replace(view, operators=placed(view, step, CUTS | MOVES))


def ranked_cells(saliency: np.ndarray, boxes: np.ndarray) -> list[int]:
    """All cells (row · GRID + column), least salient first; saliency [K] of the tiles `boxes` [K, 4] in 0..1.

    A cell is as salient as the best tile over its centre, so that no cell goes before those outside that tile; of
    equals the one with the lower mean over its tiles goes first, then the one farther from the middle of the frame.
    """
    centres = (np.arange(GRID) + 0.5) / GRID
    y, x = (axis.reshape(-1, 1) for axis in np.meshgrid(centres, centres, indexing="ij"))
    inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    best = np.where(inside, saliency, -np.inf).max(axis=1)
    covered = np.maximum(inside.sum(axis=1), 1)
    mean = np.where(inside, saliency, 0.0).sum(axis=1) / covered
    off_centre = np.round(np.hypot(x - 0.5, y - 0.5)[:, 0], 9)
    return [int(cell) for cell in np.lexsort((-off_centre, mean, best))]


def hidden_cells(ranked: list[int], height: int, width: int, area: float) -> list[int]:
    """The first of the ranked cells that together have at most `area` of the frame's pixels, by number."""
    pixels = np.array([(y1 - y0) * (x1 - x0) for y0, y1, x0, x1 in (edges(cell, height, width) for cell in ranked)])
    fit = int(np.count_nonzero(np.cumsum(pixels) <= area * height * width))
    return sorted(cell for cell, size in zip(ranked[:fit], pixels[:fit], strict=True) if size)


def edges(cell: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Rows y0 ≤ y < y1 and columns x0 ≤ x < x1 of a cell, in pixels."""
    row, column = divmod(cell, GRID)
    return row * height // GRID, (row + 1) * height // GRID, column * width // GRID, (column + 1) * width // GRID


def render_mask(image: np.ndarray, step: Mapping[str, Any], index: int) -> np.ndarray:
    """The image with its hidden cells in mid grey, uint8 [H, W, 3]; all other pixels as they are."""
    masked = image.copy()
    for cell in step["cells"]:
        y0, y1, x0, x1 = edges(cell, *image.shape[:2])
        masked[y0:y1, x0:x1] = GREY
    return masked


MASK = Operator(
    "mask", False, apply_mask, frozenset({"position", "counting", "scene", "distance", "text", "unreadable"}),
    render_mask,
)

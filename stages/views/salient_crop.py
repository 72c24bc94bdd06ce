"""Spatial operator: one crop box per variant around the window that fits the question best, the same on every frame."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from strive.stages.views.operation import Inapplicable, Operator, Scene
from strive.stages.views.pixel_order import CUTS, MOVES, placed
from strive.stages.views.view import Box, View


def apply_salient_crop(view: View, scene: Scene) -> View:
    """Crop around the tile whose saliency, averaged over the chosen frames, is highest; motion stays intact.

    The stored crop keeps its pixels; the policy's resizing brings it back to the size of a frame, which is the zoom.
    """
    if any(step["operator"] in CUTS for step in view.operators):
        raise Inapplicable("the view is cropped already")
    box, entry = cropped(view, scene)
    return replace(view, crop=box, operators=placed(view, {**entry, "operator": "salient_crop"}, MOVES))


def cropped(view: View, scene: Scene) -> tuple[Box, dict[str, Any]]:
    """The crop box of a view, and what an entry says of it.

    The box keeps at least `crop_area` of the frame and lies inside it. `Inapplicable` when there is none.
    """
    sizes = scene.frame_sizes[view.indices]
    if not scene.scores.tile_saliency.shape[1]:
        raise Inapplicable("no tile saliency (score.tiles is 0)")
    if (sizes != sizes[0]).any():
        raise Inapplicable("frames of different sizes")
    height, width = (int(side) for side in sizes[0])
    tile = best_tile(scene.scores.tile_saliency[view.indices].mean(axis=0, dtype=np.float64), scene.scores.tile_boxes)
    box = box_around(scene.scores.tile_boxes[tile], height, width, scene.config.crop_area)
    if box == (0, 0, width, height):
        raise Inapplicable("the box is the whole frame")
    return box, {"box": list(box), "frame_size": [height, width], "tile": tile, "crop_area": scene.config.crop_area}


def best_tile(saliency: np.ndarray, boxes: np.ndarray) -> int:
    """The most salient tile (saliency [K], boxes [K, 4] in 0..1); of equals, the one nearest to the frame's centre."""
    best = np.flatnonzero(saliency == saliency.max())
    off_centre = np.hypot(boxes[best, 0] + boxes[best, 2] - 1, boxes[best, 1] + boxes[best, 3] - 1)
    return int(best[int(np.argmin(np.round(off_centre, 9)))])


def box_around(tile: np.ndarray, height: int, width: int, area: float) -> Box:
    """The box of the frame's proportions with at least `area` of its pixels, centred on `tile` as far as it fits."""
    w = min(width, math.ceil(width * math.sqrt(area)))
    h = min(height, math.ceil(height * math.sqrt(area)))
    x0 = place((tile[0] + tile[2]) / 2 * width, w, width)
    y0 = place((tile[1] + tile[3]) / 2 * height, h, height)
    return Box(x0, y0, x0 + w, y0 + h)


def place(centre: float, length: int, room: int) -> int:
    """Where a stretch of `length` around `centre` starts, moved inside 0..room."""
    return max(0, min(room - length, math.floor(centre - length / 2 + 0.5)))


def render_crop(image: np.ndarray, step: Mapping[str, Any], index: int) -> np.ndarray:
    """The pixels of the box, uint8 [h, w, 3]."""
    x0, y0, x1, y1 = step["box"]
    return image[y0:y1, x0:x1]


SALIENT_CROP = Operator(
    "salient_crop", False, apply_salient_crop,
    frozenset({"position", "counting", "scene", "distance", "unreadable"}), render_crop,
)

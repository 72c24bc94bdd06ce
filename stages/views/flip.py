"""Spatial operator for contrast views: every frame mirrored, so that left and right change places."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from strive.stages.views.operation import Operator, Scene
from strive.stages.views.view import View


def apply_flip(view: View, scene: Scene) -> View:
    """Mirror all frames of the view; what is at the left moves to the right."""
    return replace(view, operators=(*view.operators, {"operator": "flip"}))


def render_flip(image: np.ndarray, step: Mapping[str, Any], index: int) -> np.ndarray:
    """The mirror image, uint8 [H, W, 3]."""
    return image[:, ::-1]


FLIP = Operator(
    "flip", False, apply_flip, frozenset({"position", "direction", "text", "unreadable"}), render_flip,
    contrast_only=True,
)

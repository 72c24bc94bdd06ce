"""Spatial operator: frames without their colours."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from strive.stages.views.operation import Operator, Scene
from strive.stages.views.view import View

LUMA = (299, 587, 114)
"""Thousandths of red, green and blue in the luma (ITU-R BT.601)."""


def apply_grayscale(view: View, scene: Scene) -> View:
    """Take the colours from all frames of the view."""
    return replace(view, operators=(*view.operators, {"operator": "grayscale"}))


def render_grayscale(image: np.ndarray, step: Mapping[str, Any], index: int) -> np.ndarray:
    """The luma in all three channels, uint8 [H, W, 3], rounded half up; a grey image stays as it is."""
    luma = ((image.astype(np.int32) * np.array(LUMA, np.int32)).sum(axis=2) + 500) // 1000
    return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)


GRAYSCALE = Operator("grayscale", False, apply_grayscale, frozenset({"colour", "unreadable"}), render_grayscale)

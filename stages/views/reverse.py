"""Contrast operator: the frames from the last to the first, under times that still rise."""

import numpy as np

from strive.stages.views.operation import Operator, Scene
from strive.stages.views.shuffle import UNSAFE_OUT_OF_ORDER, reordered, with_frames
from strive.stages.views.view import View


def apply_reverse(view: View, scene: Scene) -> View:
    """The uniform view's frames, or those that the operator before chose, backwards; the times told still rise."""
    view = with_frames(view, scene)
    return reordered(view, np.arange(len(view.indices))[::-1], {"operator": "reverse"})


REVERSE = Operator("reverse", True, apply_reverse, UNSAFE_OUT_OF_ORDER, contrast_only=True)

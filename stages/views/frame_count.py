"""Temporal operator: another number of frames, chosen uniformly or as the operator before it chooses."""

from dataclasses import replace

import numpy as np

from strive.stages.views.drop import DROP
from strive.stages.views.frame_choice import CANONICAL, DRAW, PHASE
from strive.stages.views.operation import Inapplicable, Operator, Scene
from strive.stages.views.segment import SEGMENT
from strive.stages.views.view import View

CHOOSERS = {operator.name: operator for operator in (CANONICAL, DRAW, PHASE, SEGMENT, DROP)}
NO_FRAMES = np.empty(0, np.int64)


def apply_frame_count(view: View, scene: Scene) -> View:
    """round(`frame_factor` · T) frames, at least one and at most all of the pool.

    Alone, they are uniform; after an operator that chose frames, that one chooses again (`draw+frame_count`).
    """
    count = wanted(scene.config.frames, scene.config.frame_factor)
    fewer = replace(scene, config=scene.config.model_copy(update={"frames": count}))
    name = str(view.operators[-1]["operator"]) if len(view.indices) else CANONICAL.name
    if name not in CHOOSERS:
        raise Inapplicable(f"{name} cannot choose another number of frames")
    before = view.operators[:-1] if len(view.indices) else view.operators
    chosen = CHOOSERS[name].apply(replace(view, indices=NO_FRAMES, operators=before), fewer)
    step = {"operator": "frame_count", "count": len(chosen.indices), "frame_factor": scene.config.frame_factor}
    return replace(chosen, operators=(*chosen.operators, step))


def wanted(frames: int, factor: float) -> int:
    """Frames to choose, at least one."""
    return max(1, round(factor * frames))


FRAME_COUNT = Operator("frame_count", True, apply_frame_count, frozenset({"repetition", "speed", "unreadable"}))

"""Spatial operator: the frames as they are, and a second clip that shows the most important of them zoomed in."""

import math
from dataclasses import replace

import numpy as np

from strive.stages.views.operation import Inapplicable, Operator, Scene
from strive.stages.views.pixel_order import MOVES, placed
from strive.stages.views.randomness import generator
from strive.stages.views.salient_crop import cropped, render_crop
from strive.stages.views.samplers import SamplerParams
from strive.stages.views.topk import topk
from strive.stages.views.view import View


def apply_crop_append(view: View, scene: Scene) -> View:
    """Append crops of the most important frames as a clip of its own, with those frames' own times.

    max(1, round(append_share · variants.frames)) frames, at most all of the view, in the order in which the view shows
    them; spread over the view where all are equally important. The box is the one of `salient_crop`. The view's `crop`
    stays empty: its first clip shows the whole picture.
    """
    if view.clip_bounds is not None or view.crop is not None:
        raise Inapplicable("the view is cropped or in several clips already")
    box, entry = cropped(view, scene)
    count = max(1, math.floor(scene.config.append_share * scene.config.frames + 0.5))
    shown = len(view.indices)
    chosen = topk(scene.scores.importance[view.indices], count, generator(view.seed), SamplerParams())
    step = {**entry, "operator": "crop_append", "frames": [shown, shown + len(chosen)],
            "append_share": scene.config.append_share}
    return replace(view, indices=np.append(view.indices, view.indices[chosen]),
                   told=None if view.told is None else np.append(view.told, view.told[chosen]),
                   clip_bounds=(0, shown, shown + len(chosen)), operators=placed(view, step, MOVES))


CROP_APPEND = Operator(
    "crop_append", False, apply_crop_append, frozenset({"counting", "repetition", "unreadable"}), render_crop,
)

"""Temporal operator: the least important frames of the video are left out before frames are taken evenly."""

from dataclasses import replace

import numpy as np

from strive.stages.views.operation import Operator, Scene
from strive.stages.views.randomness import generator, stable_seed
from strive.stages.views.spread import spread
from strive.stages.views.view import View


def apply_drop(view: View, scene: Scene) -> View:
    """T frames evenly from the pool without the `drop_share` least important ones, which are never so many that
    fewer than min(T, N) frames would remain."""
    config, seed = scene.config, stable_seed(view.seed, "drop")
    rng = generator(seed)
    wanted = min(config.frames, scene.n)
    dropped = min(round(config.drop_share * scene.n), scene.n - wanted)
    left = without_least(scene.scores.importance, dropped, rng)
    step = {"operator": "drop", "dropped": dropped, "drop_share": config.drop_share, "seed": seed}
    indices = left[spread(len(left), wanted, rng)]
    return replace(view, indices=indices, sampler="uniform", operators=(*view.operators, step))


def without_least(importance: np.ndarray, dropped: int, rng: np.random.Generator) -> np.ndarray:
    """The frames that remain without the `dropped` least important ones, drawn among equals: sorted int64."""
    order = np.lexsort((rng.random(len(importance)), importance))
    return np.sort(order[dropped:]).astype(np.int64)


DROP = Operator("drop", True, apply_drop, frozenset({"repetition", "speed", "unreadable"}))

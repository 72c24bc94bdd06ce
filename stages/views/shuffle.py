"""Contrast operator: the frames in a drawn order, under times that still rise."""

from dataclasses import replace

import numpy as np

from strive.stages.views.frame_choice import apply_canonical
from strive.stages.views.operation import Inapplicable, Operator, Scene
from strive.stages.views.randomness import generator, stable_seed
from strive.stages.views.view import View

UNSAFE_OUT_OF_ORDER = frozenset({
    "order", "direction", "motion", "change", "cause", "gravity", "repetition", "speed", "whole", "unreadable",
})


def apply_shuffle(view: View, scene: Scene) -> View:
    """The frames in a drawn order, never the right one when there are two or more (T-GRPO, Video-R1).

    The uniform view's frames, or those that the operator before chose; the times told are the frames' own in order.
    """
    seed = stable_seed(view.seed, "shuffle")
    view = with_frames(view, scene)
    return reordered(view, shuffled(len(view.indices), generator(seed)), {"operator": "shuffle", "seed": seed})


def with_frames(view: View, scene: Scene) -> View:
    """The view, with the uniform frames when no operator has chosen any."""
    return view if len(view.indices) else apply_canonical(view, scene)


def shuffled(n: int, rng: np.random.Generator) -> np.ndarray:
    """A uniform draw among the permutations of 0..n−1 other than the identity (n ≥ 2), int64 [n]."""
    order = rng.permutation(n)
    while n > 1 and (order == np.arange(n)).all():
        order = rng.permutation(n)
    return order


def reordered(view: View, order: np.ndarray, step: dict) -> View:
    """The view's frames in that order, each under the time that was told at its new place.

    One frame has no order: the view stays as it is and says so. Raises `Inapplicable` for a view of several clips: a
    frame of one size has no place in a clip of another.
    """
    if len(view.indices) < 2:
        refused = {"operator": step["operator"], "reason": "one frame has no order"}
        return replace(view, vetoes=(*view.vetoes, refused))
    if len(view.bounds()) > 2:
        raise Inapplicable("the view is in several clips")
    return replace(view, indices=view.indices[order], told=view.timed, operators=(*view.operators, step))


SHUFFLE = Operator("shuffle", True, apply_shuffle, UNSAFE_OUT_OF_ORDER, contrast_only=True)

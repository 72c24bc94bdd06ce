"""Temporal operator: a stretch of the video seen closely, the rest of it sparsely."""

from dataclasses import replace

import numpy as np

from strive.stages.views.operation import Operator, Scene
from strive.stages.views.randomness import generator, stable_seed
from strive.stages.views.spread import spread
from strive.stages.views.view import View


def apply_segment(view: View, scene: Scene) -> View:
    """`segment_share` of the T frames evenly from the most important stretch, the others evenly from outside it.

    The stretch is `segment_span` of the pool, where the mean importance is highest (drawn among equals).
    """
    config, seed = scene.config, stable_seed(view.seed, "segment")
    rng = generator(seed)
    length = stretch_length(scene.n, config.segment_span)
    start = best_stretch(scene.scores.importance, length, rng)
    inside, outside = shares(scene.n, length, config.frames, config.segment_share)
    context = np.concatenate([np.arange(start), np.arange(start + length, scene.n)]).astype(np.int64)
    chosen = [start + spread(length, inside, rng), context[spread(len(context), outside, rng)]]
    step = {"operator": "segment", "stretch": [start, start + length], "inside": inside, "outside": outside,
            "segment_span": config.segment_span, "segment_share": config.segment_share, "seed": seed}
    return replace(view, indices=np.sort(np.concatenate(chosen)), sampler="uniform", operators=(*view.operators, step))


def stretch_length(n: int, span: float) -> int:
    """Pool frames of a stretch: at least one, at most all."""
    return min(n, max(1, round(span * n)))


def best_stretch(importance: np.ndarray, length: int, rng: np.random.Generator) -> int:
    """Where the stretch of `length` frames with the highest mean importance starts; drawn among equal ones."""
    total = np.concatenate([[0.0], np.cumsum(importance, dtype=np.float64)])
    sums = total[length:] - total[:-length]
    best = np.flatnonzero(sums >= sums.max() - 1e-9 * length)
    return int(best[int(rng.integers(len(best)))])


def shares(n: int, length: int, k: int, share: float) -> tuple[int, int]:
    """How many of min(k, n) frames lie in a stretch of `length` and outside; the one takes what the other cannot."""
    k = min(k, n)
    inside = min(length, k, max(1, round(share * k)))
    inside = max(inside, k - (n - length))
    return inside, k - inside


SEGMENT = Operator(
    "segment", True, apply_segment, frozenset({"whole", "order", "counting", "repetition", "speed", "unreadable"}),
)

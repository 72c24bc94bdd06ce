"""Builds the views of one question: entry by entry, what the guard lets through, each with a seed of its own."""

from dataclasses import replace

import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.stages.frames.scores import Scores
from strive.stages.tasks.sample import Question
from strive.stages.views import guard
from strive.stages.views.frame_choice import PHASE
from strive.stages.views.operation import Inapplicable, Operator, Scene
from strive.stages.views.operators import chain, entry_of
from strive.stages.views.randomness import stable_seed
from strive.stages.views.view import View

NO_FRAMES = np.empty(0, np.int64)


def build_views(question: Question, scores: Scores, frame_sizes: np.ndarray, config: VariantsConfig) -> list[View]:
    """`count` views of N frames whose stored sizes are `frame_sizes` int32 [N, 2] (H, W), then the contrast ones.

    A view shows min(T, N) frames: frames are never repeated to fill up. Seeds come from (config.seed, sample id,
    variant), so views depend neither on each other nor on the order of samples. The guard looks after the views that
    are trained on; a contrast view is meant to change the answer.
    """
    found = guard.evidence(question) if config.guard else {}
    entries = [entry_of(config, variant) for variant in range(config.count)]
    views = []
    for variant, entry in enumerate([*entries, *config.contrast]):
        scene = Scene(question, scores, np.asarray(frame_sizes), config, variant)
        contrast = variant >= config.count
        view = View(NO_FRAMES, seed=stable_seed(config.seed, "variants", question.id, variant), contrast=contrast)
        views.append(build_one(view, chain(entry), scene, {} if contrast else found))
    return views


def build_one(view: View, operators: list[Operator], scene: Scene, found: dict[str, str]) -> View:
    """One view through its chain; instead of a vetoed temporal operator stands phase-shifted uniform."""
    for operator in operators:
        refused = guard.veto(operator, found)
        if refused:
            view = replace(view, vetoes=(*view.vetoes, refused))
        if refused and not operator.temporal:
            continue
        view = applied(PHASE if refused else operator, view, scene)
    return view


def applied(operator: Operator, view: View, scene: Scene) -> View:
    """The view after the operator, or as it was with the reason why not."""
    try:
        return operator.apply(view, scene)
    except Inapplicable as reason:
        return replace(view, vetoes=(*view.vetoes, {"operator": operator.name, "reason": str(reason)}))

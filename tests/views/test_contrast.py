"""Contrast views: beside the variants, without the guard, marked in the bundle."""

import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.stages.frames.scores import Scores
from strive.stages.tasks.sample import Question
from strive.stages.views.build import build_views

QUESTION = Question("q", "v.mp4", "Which white shape appears first?", None, "open")
SIZES = np.full((32, 2), 64, np.int32)


def scores() -> Scores:
    z = np.linspace(-1, 1, 32).astype(np.float32)
    return Scores(z, z, np.arange(32.0), np.zeros((0, 4)), np.zeros((32, 0), np.float32))


def test_contrast_views_follow_the_variants_and_leave_them_as_they_are() -> None:
    plain = build_views(QUESTION, scores(), SIZES, VariantsConfig(count=2, frames=8))
    both = build_views(QUESTION, scores(), SIZES, VariantsConfig(count=2, frames=8, contrast=("phase", "draw")))
    assert [view.contrast for view in both] == [False, False, True, True]
    for before, after in zip(plain, both[:2], strict=True):
        assert np.array_equal(before.indices, after.indices)
        assert before.seed == after.seed


def test_each_contrast_view_has_a_seed_of_its_own() -> None:
    views = build_views(QUESTION, scores(), SIZES, VariantsConfig(count=1, frames=8, contrast=("draw", "draw")))
    assert len({view.seed for view in views}) == 3
    assert not np.array_equal(views[1].indices, views[2].indices)

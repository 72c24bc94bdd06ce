"""Views of a question: which frames, which box, which vetoes."""

from dataclasses import replace

import numpy as np
import pytest

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import UsageError
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Question, Sample
from strive.stages.views.build import build_views
from strive.stages.views.operators import check_names, entry_of
from strive.stages.views.salient_crop import best_tile, box_around
from strive.stages.views.samplers import uniform_indices
from strive.stages.views.view import View

TILES = np.array([[x, y, x + 0.6, y + 0.6] for y in (0, 0.2, 0.4) for x in (0, 0.2, 0.4)], np.float64)
QUESTION = Question("q1", "a.mp4", "What is the person holding?", None, "open")
CONFIG = VariantsConfig(frames=8)


def scored(n: int = 40, seed: int = 0, tiles: np.ndarray = TILES) -> Scores:
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=n).astype(np.float32)
    saliency = rng.normal(size=(n, len(tiles))).astype(np.float32)
    return Scores(raw, zscore(raw), np.arange(n) * 1.5, tiles, saliency)


def views_of(
    question: Question = QUESTION, scores: Scores | None = None, config: VariantsConfig = CONFIG
) -> list[View]:
    scores = scores or scored()
    return build_views(question, scores, np.tile(np.int32([48, 64]), (len(scores.raw), 1)), config)


def same(one: View, two: View) -> bool:
    return one.indices.tolist() == two.indices.tolist() and replace(one, indices=0) == replace(two, indices=0)


def test_the_default_bundle_is_canonical_two_draws_and_a_cropped_draw() -> None:
    views = views_of()
    assert [[step["operator"] for step in view.operators] for view in views] == [
        ["canonical"], ["draw"], ["draw"], ["draw", "salient_crop"]]
    assert views[0].indices.tolist() == uniform_indices(40, 8).tolist()
    assert len({tuple(view.indices.tolist()) for view in views}) == 4
    assert [view.crop is not None for view in views] == [False, False, False, True]


def test_the_canonical_view_does_not_depend_on_the_scores() -> None:
    one, two = views_of(scores=scored(seed=1)), views_of(scores=scored(seed=2))
    assert same(one[0], two[0]) and not same(one[1], two[1])


def test_views_depend_on_the_seed_the_sample_and_the_variant_only() -> None:
    assert all(map(same, views_of(), views_of()))
    assert not same(views_of()[1], views_of(replace(QUESTION, id="q2"))[1])
    assert not same(views_of()[1], views_of(config=CONFIG.model_copy(update={"seed": 1}))[1])
    longer = views_of(config=CONFIG.model_copy(update={"count": 6}))
    assert all(map(same, views_of(), longer))


def test_the_gold_answer_and_meta_do_not_change_the_views() -> None:
    base = Sample("q1", "a.mp4", "What is it?", ("a cup", "a book"), "A", "multiple_choice", {"evidence": [[1, 2]]})
    other = replace(base, answer="B", meta={"evidence": [[5, 6]], "answer": "B"})
    assert all(map(same, views_of(base.blind()), views_of(other.blind())))


def test_a_vetoed_crop_leaves_the_plain_draw_and_its_reason() -> None:
    safe = views_of()[3]
    question = replace(QUESTION, text="How many people are there?")
    vetoed = views_of(question)[3]
    assert vetoed.crop is None and [step["operator"] for step in vetoed.operators] == ["draw"]
    assert vetoed.indices.tolist() == safe.indices.tolist()
    assert vetoed.vetoes[0]["operator"] == "salient_crop" and "how many" in vetoed.vetoes[0]["reason"]
    unguarded = views_of(question, config=VariantsConfig(frames=8, guard=False))
    assert unguarded[3].crop is not None and not unguarded[3].vetoes


def test_a_draw_is_not_used_to_count_repetitions_but_the_variant_stays() -> None:
    views = views_of(replace(QUESTION, text="How many times does the bell ring?"))
    assert [[step["operator"] for step in view.operators] for view in views] == [["canonical"], *[["phase"]] * 3]
    assert len({tuple(view.indices.tolist()) for view in views}) == 4
    assert all(view.vetoes[0]["operator"] == "draw" for view in views[1:])


def test_the_crop_follows_the_most_salient_tile_of_the_chosen_frames() -> None:
    scores = scored()
    hot = replace(scores, tile_saliency=np.zeros_like(scores.tile_saliency))
    hot.tile_saliency[:, 8] = 1.0
    x0, y0, x1, y1 = views_of(scores=hot)[3].crop or (0, 0, 0, 0)
    assert (x1, y1) == (64, 48) and x0 > 0 and y0 > 0


def test_equal_tiles_give_the_central_box() -> None:
    assert best_tile(np.zeros(9), TILES) == 4


@pytest.mark.parametrize("area", [0.05, 0.36, 0.6, 0.99, 1.0])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (47, 61), (336, 597), (3, 500)])
def test_the_box_is_inside_the_frame_and_large_enough(area: float, height: int, width: int) -> None:
    for tile in TILES:
        x0, y0, x1, y1 = box_around(tile, height, width, area)
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        assert (x1 - x0) * (y1 - y0) >= area * width * height


def test_without_tiles_the_crop_is_left_out_with_the_reason() -> None:
    view = views_of(scores=scored(tiles=np.empty((0, 4))))[3]
    assert view.crop is None and "score.tiles" in view.vetoes[0]["reason"]


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_short_videos_show_each_frame_once(n: int) -> None:
    assert all(view.indices.tolist() == list(range(n)) for view in views_of(scores=scored(n)))


def test_constant_scores_still_give_covering_draws() -> None:
    flat = replace(scored(64), raw=np.ones(64, np.float32), importance=zscore(np.ones(64)))
    for view in views_of(scores=flat)[1:]:
        assert len(view.indices) == 8 and (np.histogram(view.indices, np.arange(0, 65, 16))[0] > 0).all()


def test_more_variants_repeat_the_entries_from_the_second_on() -> None:
    config = VariantsConfig(count=7, operators=("canonical", "draw", "phase"))
    assert [entry_of(config, i) for i in range(7)] == ["canonical", "draw", "phase", "draw", "phase", "draw", "phase"]
    assert entry_of(VariantsConfig(operators=("phase",)), 3) == "phase"


@pytest.mark.parametrize("changed", [
    {"operators": ("canonical", "salient_corp")}, {"operators": ("canonical+draw",)}, {"operators": ()},
    {"operators": ("salient_crop+phase",)}, {"sampler": "topp"},
])
def test_wrong_names_are_refused_before_any_work(changed: dict) -> None:
    with pytest.raises(UsageError, match=r"variants\."):
        check_names(VariantsConfig(**changed))


def test_chains_are_written_with_a_plus() -> None:
    views = views_of(config=VariantsConfig(frames=8, count=2, operators=("canonical", "canonical+salient_crop")))
    assert views[1].indices.tolist() == views[0].indices.tolist() and views[1].crop is not None

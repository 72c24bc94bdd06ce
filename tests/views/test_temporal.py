"""Properties of the temporal operators: which frames they show, under which times, and that a seed decides."""

from dataclasses import replace

import numpy as np
import pytest

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import UsageError
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Question
from strive.stages.views.build import build_views
from strive.stages.views.operation import Inapplicable
from strive.stages.views.operators import OPERATORS, chain, check_names, contrast_only
from strive.stages.views.segment import best_stretch, shares, stretch_length
from strive.stages.views.shuffle import reordered, shuffled
from strive.stages.views.uniform import uniform_indices
from strive.stages.views.view import View

QUESTION = Question("q1", "a.mp4", "What is the person holding?", None, "open")
CHOOSING = ("canonical", "draw", "phase", "segment", "drop", "frame_count", "segment+frame_count", "drop+frame_count",
            "draw+frame_count", "phase+frame_count")
REORDERING = ("shuffle", "reverse", "draw+shuffle", "segment+reverse", "draw+frame_count+shuffle", "shuffle+reverse")
SHAPES = [(1, 1), (1, 8), (2, 8), (5, 8), (8, 8), (9, 8), (32, 8), (64, 32), (257, 32), (33, 7), (100, 99), (3, 1)]


def scored(n: int, kind: str = "noise", seed: int = 0) -> Scores:
    """Scores of n frames: noise, all equal, or one peak."""
    raw = {"noise": np.random.default_rng(seed).normal(size=n), "flat": np.ones(n), "peak": np.eye(1, n, n // 3)[0]}
    values = raw[kind].astype(np.float32)
    return Scores(values, zscore(values), np.arange(n) * 0.7, np.empty((0, 4)), np.empty((n, 0), np.float32))


def view_of(
    entry: str, scores: Scores, frames: int, seed: int = 0, question: Question = QUESTION, **more: object
) -> View:
    """The view of one entry alone, without the guard."""
    config = VariantsConfig(count=1, frames=frames, operators=(entry,), seed=seed, guard=False, **more)
    return build_views(question, scores, np.full((len(scores.raw), 2), 48, np.int32), config)[0]


@pytest.mark.parametrize("entry", CHOOSING)
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_frames_are_different_sorted_and_as_many_as_asked_for(entry: str, n: int, k: int) -> None:
    for kind in ("noise", "flat", "peak"):
        for seed in range(3):
            view = view_of(entry, scored(n, kind), k, seed)
            wanted = max(1, round(0.5 * k)) if "frame_count" in entry else k
            assert view.indices.dtype == np.int64 and len(view.indices) == min(wanted, n)
            assert (np.diff(view.indices) > 0).all() and view.indices[0] >= 0 and view.indices[-1] < n
            assert view.told is None and not view.vetoes


@pytest.mark.parametrize("entry", REORDERING)
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_a_reordered_view_shows_the_same_frames_under_rising_times(entry: str, n: int, k: int) -> None:
    for seed in range(3):
        view = view_of(entry, scored(n), k, seed)
        assert sorted(view.indices.tolist()) == view.timed.tolist() and (np.diff(view.timed) > 0).all()
        if "+" not in entry:
            assert view.timed.tolist() == uniform_indices(n, k).tolist()
        if len(view.indices) > 1 and entry != "shuffle+reverse":
            assert view.indices.tolist() != view.timed.tolist()


@pytest.mark.parametrize("entry", [*CHOOSING, *REORDERING])
def test_the_seed_decides_and_nothing_else(entry: str) -> None:
    one, two = view_of(entry, scored(64), 8), view_of(entry, scored(64), 8)
    assert one.indices.tolist() == two.indices.tolist() and one.operators == two.operators


@pytest.mark.parametrize("entry", ["draw", "segment", "drop", "shuffle", "draw+frame_count", "segment+frame_count"])
def test_other_seeds_and_other_samples_give_other_views(entry: str) -> None:
    views = [view_of(entry, scored(64), 8, seed) for seed in range(4)]
    views.append(view_of(entry, scored(64), 8, question=replace(QUESTION, id="q2")))
    assert len({tuple(view.indices.tolist()) for view in views}) >= 4


def test_a_segment_holds_its_share_of_the_frames_and_the_rest_lies_around_it() -> None:
    scores = scored(64)
    scores.importance[40:56] += 9.0
    view = view_of("segment", scores, 16)
    step = dict(view.operators[0])
    start, stop = step["stretch"]
    inside = (view.indices >= start) & (view.indices < stop)
    assert (start, stop) == (40, 56) and inside.sum() == step["inside"] == 8
    outside = view.indices[~inside]
    assert (np.histogram(outside, [0, 10, 20, 30, 40])[0] >= 1).all() and np.diff(outside[outside < 40]).max() <= 8
    assert np.diff(view.indices[inside]).max() <= 2


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("span", [0.001, 0.25, 0.8, 1.0])
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_the_shares_of_a_segment_always_add_up_and_fit(n: int, k: int, span: float, share: float) -> None:
    length = stretch_length(n, span)
    inside, outside = shares(n, length, k, share)
    assert inside + outside == min(n, k) and 0 <= outside <= n - length and 0 <= inside <= length
    view = view_of("segment", scored(n), k, segment_span=span, segment_share=share)
    assert len(np.unique(view.indices)) == min(n, k)


def test_the_most_important_stretch_is_the_one_with_the_highest_mean() -> None:
    z = np.random.default_rng(4).normal(size=200)
    for length in (1, 7, 50, 200):
        start = best_stretch(z, length, np.random.default_rng(0))
        means = [z[a : a + length].mean() for a in range(201 - length)]
        assert means[start] == pytest.approx(max(means))


def test_equal_stretches_are_drawn_over_the_whole_video() -> None:
    starts = {best_stretch(np.zeros(40), 10, np.random.default_rng(seed)) for seed in range(200)}
    assert min(starts) < 5 and max(starts) > 25


def test_the_least_important_frames_are_dropped_and_no_others() -> None:
    scores = scored(64)
    least = set(np.argsort(scores.importance)[:16].tolist())
    for seed in range(10):
        assert not least & set(view_of("drop", scores, 16, seed).indices.tolist())
    everything = view_of("drop", scores, 48).indices.tolist()
    assert set(everything) == set(range(64)) - least


def test_no_frame_is_dropped_that_the_view_needs() -> None:
    view = view_of("drop", scored(10), 9, drop_share=0.9)
    assert len(view.indices) == 9 and dict(view.operators[0])["dropped"] == 1


def test_equal_scores_are_dropped_here_and_there() -> None:
    shown = [set(view_of("drop", scored(64, "flat"), 48, seed).indices.tolist()) for seed in range(20)]
    assert set.intersection(*shown) == set() or len(set.intersection(*shown)) < 8
    assert set.union(*shown) == set(range(64))


@pytest.mark.parametrize(("factor", "expected"), [(0.5, 4), (0.01, 1), (1.0, 8), (2.0, 16), (8.0, 40)])
def test_the_number_of_frames_follows_its_factor(factor: float, expected: int) -> None:
    for entry in ("frame_count", "draw+frame_count", "drop+frame_count"):
        view = view_of(entry, scored(40), 8, frame_factor=factor)
        assert len(view.indices) == expected and dict(view.operators[-1])["count"] == expected
    assert view_of("frame_count", scored(40), 8, frame_factor=factor).indices.tolist() == uniform_indices(
        40, expected).tolist()


def test_permutations_are_uniform_among_those_that_change_something() -> None:
    drawn = [tuple(shuffled(3, np.random.default_rng(seed)).tolist()) for seed in range(1000)]
    counts = {order: drawn.count(order) for order in set(drawn)}
    assert len(counts) == 5 and (0, 1, 2) not in counts
    assert all(abs(count - 200) < 4 * np.sqrt(1000 * 0.2 * 0.8) for count in counts.values())


def test_reverse_runs_backwards() -> None:
    assert view_of("reverse", scored(40), 8).indices.tolist() == uniform_indices(40, 8)[::-1].tolist()


@pytest.mark.parametrize(("entry", "names"), [
    ("canonical+shuffle", ["canonical", "shuffle"]), ("shuffle", ["shuffle"]),
    ("draw+frame_count+reverse+salient_crop", ["draw", "frame_count", "reverse", "salient_crop"]),
    ("salient_crop", ["draw", "salient_crop"]),
])
def test_chains_are_put_together_in_their_order(entry: str, names: list[str]) -> None:
    parts = chain(entry)
    assert [part.name for part in parts] == names
    assert [part.temporal for part in parts] == [True, *[False] * (len(names) - 1)]


@pytest.mark.parametrize("entry", ["shuffle+draw", "salient_crop+shuffle", "reverse+frame_count", "draw+segment",
                                   "frame_count+frame_count+draw", "shuffel"])
@pytest.mark.parametrize("key", ["operators", "contrast"])
def test_wrong_chains_are_refused_under_the_key_that_holds_them(entry: str, key: str) -> None:
    with pytest.raises(UsageError, match=f"variants.{key}"):
        check_names(VariantsConfig(**{key: (entry,)}))


def test_operators_made_for_contrast_are_named_where_they_are_trained_on() -> None:
    assert contrast_only(VariantsConfig(contrast=("shuffle", "reverse"))) == []
    assert contrast_only(VariantsConfig(operators=("canonical", "draw+reverse", "shuffle"))) == ["reverse", "shuffle"]
    assert contrast_only(VariantsConfig(operators=("canonical", "shuffle"), count=1)) == []
    assert {name for name, one in OPERATORS.items() if one.contrast_only} >= {"shuffle", "reverse"}


def test_a_view_of_several_clips_is_not_reordered() -> None:
    view = View(np.arange(6), clip_bounds=(0, 4, 6))
    with pytest.raises(Inapplicable, match="clips"):
        reordered(view, np.arange(6)[::-1], {"operator": "reverse"})
    one_clip = reordered(replace(view, clip_bounds=(0, 6)), np.arange(6)[::-1], {"operator": "reverse"})
    assert one_clip.indices.tolist() == [5, 4, 3, 2, 1, 0] and one_clip.timed.tolist() == list(range(6))

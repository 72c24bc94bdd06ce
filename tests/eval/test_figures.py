"""Figures: clustered errors, denominators, categories, chance, batches, what is shown."""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strive.configs.errors import ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.bundle.images import encode
from strive.stages.eval.answering.shown import MID_GREY, Screen, derangement
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.figures.metrics import categories, chance
from strive.stages.eval.figures.metrics import summarise as summarise_data
from strive.stages.eval.figures.statistics import clustered_se, interval95
from strive.stages.frames.frameset import FrameSet
from strive.stages.tasks.sample import Sample


def test_one_question_per_video_gives_the_usual_standard_error() -> None:
    values = [random.Random(0).random() for _ in range(50)]
    usual = np.std(values, ddof=1) / math.sqrt(50)
    assert clustered_se(values, range(50)) == pytest.approx(usual)


def test_questions_that_repeat_each_other_count_as_one() -> None:
    values = [1.0, 0.0, 1.0, 1.0, 0.0] * 3
    clusters = [f"v{i}" for i in range(5)] * 3
    assert clustered_se(values, clusters) == pytest.approx(clustered_se(values[:5], clusters[:5]))
    assert clustered_se(values, clusters) > clustered_se(values, range(15))


def test_intervals_stay_inside_0_and_1_and_are_none_without_two_videos() -> None:
    assert interval95(0.99, 0.1) == [pytest.approx(0.794, abs=1e-3), 1.0]
    assert clustered_se([1.0, 0.0], ["a", "a"]) is None and interval95(0.5, None) is None


def nowhere(sample: Sample) -> Path:
    raise ItemError("no videos here")


def summarise(samples: list[Sample], rows: Any, failed: Any) -> dict[str, Any]:
    return summarise_data(BenchData(samples, nowhere), rows, failed)


def row(score: float, status: str = "ok", well_formed: bool = True) -> dict[str, object]:
    return {"score": score, "status": status, "parsed": None, "well_formed": well_formed}


def test_unread_replies_stay_in_the_denominator_and_undecodable_videos_are_apart() -> None:
    samples = [Sample(str(i), f"v{i}", "q", ("x", "y"), "A", "multiple_choice") for i in range(6)]
    rows = {
        "0": row(1),
        "1": row(0),
        "2": row(0, "unparsed", False),
        "3": row(0, "truncated", False),
        "4": row(0, "ambiguous"),
    }
    found = summarise(samples, rows, [{"id": "5", "reason": "empty file"}])
    assert (found["n"], found["n_total"], found["n_answered"], found["n_undecodable"]) == (5, 6, 2, 1)
    assert (found["n_unparsed"], found["n_truncated"], found["n_ambiguous"]) == (1, 1, 1)
    assert (found["accuracy"], found["accuracy_answered"], found["accuracy_all"]) == (0.2, 0.5, pytest.approx(1 / 6))
    assert (
        found["format_rate"] == 0.6
        and found["chance"] == 0.5
        and found["failed"] == [{"id": "5", "reason": "empty file"}]
    )


def test_nothing_answered_gives_no_figure_instead_of_a_zero() -> None:
    found = summarise([Sample("1", "v", "q", None, "4", "numerical")], {}, [{"id": "1", "reason": "gone"}])
    assert found["accuracy"] is None and found["accuracy_answered"] is None and found["ci"] is None


def test_tables_by_category_add_up() -> None:
    samples = [
        Sample(str(i), f"v{i}", "q", None, "4", "numerical", {"family": "ab"[i % 2], "url": str(i), "metric": "mra"})
        for i in range(8)
    ]
    found = summarise(samples, {s.id: row(int(s.id) % 2) for s in samples}, [])
    assert categories(samples) == ["question_type", "family"]
    assert {name: (one["n"], one["accuracy"]) for name, one in found["families"].items()} == {
        "a": (4, 0.0),
        "b": (4, 1.0),
    }


def test_chance_comes_from_choices_then_options_then_the_type() -> None:
    def one(kind: str, options: tuple[str, ...] | None, **meta: object) -> float | None:
        return chance(Sample("1", "v", "q", options, "A", kind, meta))

    assert one("open", None, choices=["a"] * 5) == 0.2
    assert one("multiple_choice", ("x", "y", "z", "w")) == 0.25
    assert one("yes_no", None) == 0.5
    assert one("open", None) is None


def test_every_video_is_swapped_for_another_one() -> None:
    names = [f"{i}.mp4" for i in range(9)]
    partners = derangement(names)
    assert set(partners) == set(partners.values()) == set(names)
    assert all(name != other for name, other in partners.items())
    assert partners == derangement(names[::-1])
    with pytest.raises(UsageError, match="one video"):
        derangement(["a.mp4", "a.mp4"])


def frames_of(sample: Sample) -> FrameSet:
    value = {"a.mp4": 10, "b.mp4": 200}[sample.video]
    images = [np.full((16, 24, 3), value, np.uint8) for _ in range(10)]
    return FrameSet(
        np.arange(10) * 0.5,
        np.arange(10),
        np.full((10, 2), (16, 24), np.int32),
        [encode(i, "png", 0) for i in images],
        {},
    )


@pytest.mark.parametrize(
    ("control", "level", "clips"), [("none", 10, 1), ("swapped", 200, 1), ("blank", MID_GREY, 1), ("text_only", 0, 0)]
)
def test_each_control_shows_what_it_says(control: str, level: int, clips: int) -> None:
    samples = [Sample(name, f"{name}.mp4", "q", None, "x", "open") for name in "ab"]
    shown = Screen(samples, frames_of, EvalConfig(frames=5, control=control)).show(samples[0])
    assert len(shown.clips) == clips
    if clips:
        assert shown.clips[0].shape == (5, 16, 24, 3) and (shown.clips[0] == level).all()
        assert shown.times.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_frames_are_the_middles_of_equal_bins_and_never_repeated() -> None:
    samples = [Sample("a", "a.mp4", "q", None, "x", "open")]
    shown = Screen(samples, frames_of, EvalConfig(frames=64)).show(samples[0])
    assert shown.times.tolist() == [0.5 * i for i in range(10)]


def shown(config: EvalConfig, **meta: Any) -> Any:
    sample = Sample("a", "a.mp4", "q", None, "x", "open", meta)
    return Screen([sample], frames_of, config).show(sample)


def test_nothing_from_the_cut_on_is_shown() -> None:
    assert shown(EvalConfig(frames=64), cut_frame=4).times.tolist() == [0.0, 0.5, 1.0, 1.5]
    with pytest.raises(ItemError, match="before frame 0"):
        shown(EvalConfig(frames=4), cut_frame=0)


def test_a_clip_shows_its_seconds_only() -> None:
    assert shown(EvalConfig(frames=64), clip=[1.0, 2.0]).times.tolist() == [1.0, 1.5, 2.0]
    with pytest.raises(ItemError, match="between 9 s and 10 s"):
        shown(EvalConfig(frames=4), clip=[9, 10])


def test_the_last_frame_is_shown_where_the_question_needs_it() -> None:
    assert shown(EvalConfig(frames=5)).times[-1] == 4.5
    assert shown(EvalConfig(frames=2)).times.tolist() == [1.0, 3.5]
    assert shown(EvalConfig(frames=2), last_frame=True).times.tolist() == [1.0, 4.5]
    assert shown(EvalConfig(frames=2), last_frame=True, cut_frame=8).times.tolist() == [1.0, 3.5]


def test_shuffled_frames_are_the_same_frames_in_another_order_told_as_rising_times() -> None:
    plain, mixed = shown(EvalConfig(frames=10)), shown(EvalConfig(frames=10, shuffle_frames=True))
    assert mixed.times.tolist() == plain.times.tolist()
    assert sorted(mixed.seconds) == plain.seconds != mixed.seconds
    assert mixed.seconds == shown(EvalConfig(frames=10, shuffle_frames=True)).seconds


def test_an_unknown_sampler_is_named() -> None:
    with pytest.raises(UsageError, match=r"eval\.sampler"):
        Screen([], frames_of, EvalConfig(sampler="unifrom"))

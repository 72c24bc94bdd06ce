"""Two evaluations are compared on the questions that both answered, and only when they were asked and read alike."""

import re
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import UsageError
from strive.stages.report.evaluation.pairing import compare
from strive.stages.report.page import write_report
from strive.stages.report.run_folder import read_run, read_runs

from .eval_runs import prediction, write_eval


def found(*folders: Path) -> dict[str, Any]:
    pair = compare([read_run(folder) for folder in folders])
    assert pair is not None
    return pair


def test_the_second_run_is_set_against_the_first(tmp_path: Path) -> None:
    a = write_eval(tmp_path / "a", [prediction(n, float(n in (0, 1, 2))) for n in range(8)])
    b = write_eval(tmp_path / "b", [prediction(n, float(n in (1, 2, 3, 4, 5))) for n in range(8)], eval__frames=8)
    pair = found(a, b)
    assert (pair["a"], pair["b"], pair["n"], pair["n_videos"]) == ("a", "b", 8, 4)
    assert pair["difference"] == pytest.approx(0.25) and pair["won"] == ["q3", "q4", "q5"] and pair["lost"] == ["q0"]
    assert (pair["mcnemar"]["b"], pair["mcnemar"]["c"], pair["mcnemar"]["p"]) == (1, 3, pytest.approx(0.625))
    assert pair["differ"] == {"eval.frames": [4, 8]} and pair["told"] == ["eval.frames: 4 → 8"]
    assert {name: one["n"] for name, one in pair["groups"]["family"].items()} == {"count": 4, "place": 4}


def test_what_only_one_run_answered_or_what_has_no_score_is_counted_not_paired(tmp_path: Path) -> None:
    a = write_eval(tmp_path / "a", [prediction(n) for n in range(6)])
    rows = [prediction(2, None, status="unscorable"), prediction(3, 0.0, counted=False), prediction(4), prediction(9)]
    pair = found(a, write_eval(tmp_path / "b", rows))
    assert (pair["n"], pair["n_only_a"], pair["n_only_b"], pair["n_unscored"]) == (1, 3, 1, 2)


@pytest.mark.parametrize("change", [
    {"bench": "videomme"}, {"eval__prompt_format": "direct"}, {"eval__max_new_tokens": 64}, {"eval__temperature": 1.0},
    {"version": 3}, {"own_code": {"a:b": "sha256:1"}}, {"eval__time_text": "seconds"},
    {"eval__frame_pairing": "images"}, {"eval__something_new": 1},
])
def test_runs_that_were_asked_or_read_differently_are_refused_by_key(tmp_path: Path, change: dict[str, Any]) -> None:
    a, b = write_eval(tmp_path / "a", [prediction(1)]), write_eval(tmp_path / "b", [prediction(1)], **change)
    with pytest.raises(UsageError, match=re.escape(next(iter(change)).replace("__", "."))):
        write_report([a, b], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("change", [
    {"model": "sha256:" + "b2" * 32}, {"eval__control": "blank"}, {"eval__frames": 16}, {"eval__sampler": "topk"},
    {"chosen__sampler": "topk"}, {"eval__shuffle_frames": True}, {"eval__options_shuffled": True},
    {"dtype": "bfloat16"}, {"libraries": {"torch": "2.10"}}, {"extract__fps": 2.0}, {"eval__max_pixels": 784},
    {"eval__seed": 1},
])
def test_what_a_comparison_is_about_may_differ_and_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    a, b = write_eval(tmp_path / "a", [prediction(1)]), write_eval(tmp_path / "b", [prediction(1)], **change)
    assert list(found(a, b)["differ"]) == [next(iter(change)).replace("__", ".")]


def test_a_key_left_out_at_its_default_is_no_difference(tmp_path: Path) -> None:
    a = write_eval(tmp_path / "a", [prediction(1)])
    b = write_eval(tmp_path / "b", [prediction(1)], eval__shuffle_frames=False, eval__frame_pairing="video")
    assert found(a, b)["differ"] == {}


def test_the_same_id_for_another_question_is_refused(tmp_path: Path) -> None:
    a = write_eval(tmp_path / "a", [prediction(1), prediction(2)])
    b = write_eval(tmp_path / "b", [prediction(1), prediction(2, question="And now?")])
    with pytest.raises(UsageError, match="1 ids name different questions, the first: q2"):
        found(a, b)


def test_protocols_of_one_benchmark_are_never_mixed_however_many_runs(tmp_path: Path) -> None:
    runs = [write_eval(tmp_path / name, [prediction(1)], eval__protocol=name) for name in ("strict", "official")]
    runs.append(write_eval(tmp_path / "third", [prediction(1)]))
    for some in (runs[:2], runs):
        with pytest.raises(UsageError, match=r"different protocols \(strict: strict.*; official: official\)"):
            write_report(some, tmp_path / "r.html")


def test_benchmarks_of_three_runs_may_differ_in_protocol(tmp_path: Path) -> None:
    runs = [write_eval(tmp_path / name, [prediction(1)], bench=name, eval__protocol=protocol)
            for name, protocol in (("mmvu", "strict"), ("vsibench", "official"), ("tempcompass", "strict"))]
    text = write_report(runs, tmp_path / "r.html").read_text("utf-8")
    assert all(f">{name}</h3>" in text for name in ("mmvu", "vsibench", "tempcompass"))


def test_runs_without_a_recipe_are_not_paired(tmp_path: Path) -> None:
    a, b = write_eval(tmp_path / "a", [prediction(1)]), write_eval(tmp_path / "b", [prediction(1)])
    (b / "recipe.json").unlink()
    (b / "results.json").unlink()
    assert compare([read_run(a), read_run(b)]) is None
    assert write_report([a, b], tmp_path / "r.html").is_file()


def test_the_page_tells_the_difference_and_links_every_flipped_question(tmp_path: Path) -> None:
    a = write_eval(tmp_path / "a", [prediction(n, float(n < 2), id=f"q {n}&") for n in range(8)])
    b = write_eval(tmp_path / "b", [prediction(n, float(n > 0), id=f"q {n}&") for n in range(8)], model="other")
    text = write_report([a, b], tmp_path / "r.html").read_text("utf-8")
    assert 'href="#id=q%202%26"' in text and 'href="#id=q%200%26"' in text and 'href="#id=q%201%26"' not in text
    for expected in ("+62.5 points", "Won: 6 questions", "Lost: 1 question on", "p = 0.12", "difference by family (2)"):
        assert expected in text, expected


def test_runs_of_one_name_are_told_apart_by_the_folders_above_them(tmp_path: Path) -> None:
    a = write_eval(tmp_path / "base" / "all" / "mmvu", [prediction(1)])
    b = write_eval(tmp_path / "trained" / "all" / "mmvu", [prediction(1, 0.0)])
    assert [run.name for run in read_runs([a, b])] == ["base/all/mmvu", "trained/all/mmvu"]
    assert [run.name for run in read_runs([a, a])] == ["mmvu", "mmvu"]
    assert "base/all/mmvu → trained/all/mmvu" in write_report([a, b], tmp_path / "r.html").read_text("utf-8")

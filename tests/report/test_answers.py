"""Every answer of an evaluation is in its page as data: what was asked, gold, said, read, by which rule, and frames."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from strive.stages.report.evaluation import answers as module
from strive.stages.report.evaluation.answers import Answers, read_answers
from strive.stages.report.page import write_report
from strive.stages.report.run_folder import read_run

from .eval_runs import prediction, write_eval

HOSTILE = "</script><script>alert(1)</script><!--<script>\u2028&amp;<img src=x onerror=alert(2)>"


def read(*folders: Path, **more: Any) -> Answers:
    found = read_answers([read_run(folder) for folder in folders], None, **more)
    assert found is not None
    return found


def rows_of(found: Answers) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in json.loads(found.data)["rows"]}


def test_an_answer_says_what_was_asked_said_read_by_which_rule_and_scored(tmp_path: Path) -> None:
    row = rows_of(read(write_eval(tmp_path / "run", [prediction(1, 0.0)])))["q1"]
    assert row["question"] == "What is number 1?" and row["options"] == ["a cup", "a lamp", "a dog"]
    assert (row["gold"], row["right"], row["video"]) == ("B", "B", "v0.mp4")
    assert row["places"] == {"question_type": ["multiple_choice"], "family": ["count"]}
    answer = row["answers"]["0"]
    assert answer["said"] == "<think>hm 1</think><answer>C</answer>" and answer["read"] == "C"
    assert (answer["rule"], answer["score"], answer["kind"]) == ("letter in <answer>", 0.0, "wrong")
    assert "not found in this cache" in answer["why"]


@pytest.mark.parametrize(("status", "score", "kind"), [
    ("ok", 1.0, "right"), ("ok", 0.0, "wrong"), ("ok", 0.4, "partly right"), ("ok", None, "unscorable"),
    ("unparsed", 0.0, "unparsed"), ("ambiguous", 0.0, "ambiguous"), ("truncated", 0.0, "truncated"),
    ("empty", 0.0, "empty"), ("unscorable", None, "unscorable"), ("unheard of", 0.0, "unparsed"),
])
def test_each_answer_is_of_one_kind(tmp_path: Path, status: str, score: float | None, kind: str) -> None:
    row = rows_of(read(write_eval(tmp_path / "run", [prediction(1, score, status=status)])))["q1"]
    assert row["answers"]["0"]["kind"] == kind


def test_published_options_of_any_form_are_shown_as_text(tmp_path: Path) -> None:
    odd = [prediction(1, bench="nobody's", options={"A": "up", "B": 2}, answer="B"),
           prediction(2, bench="nobody's", options=None, answer=["x", 3]),
           prediction(3, options="cup", answer=None), prediction(4, question_type=[], meta="none")]
    found = rows_of(read(write_eval(tmp_path / "run", odd)))
    assert found["q1"]["options"] == ["A: up", "B: 2"] and found["q2"]["gold"] == "['x', 3]"
    assert "options" not in found["q2"] and found["q3"]["gold"] == "" and found["q4"]["question"]


def test_nothing_in_a_reply_can_end_the_data_or_begin_markup(tmp_path: Path) -> None:
    hostile = prediction(1, prediction=HOSTILE, parsed=HOSTILE, rule=HOSTILE, question=HOSTILE, options=[HOSTILE, "b"],
                         id=HOSTILE, video=HOSTILE, meta={"family": HOSTILE})
    run = write_eval(tmp_path / "run", [hostile], {"groups": {"family": {HOSTILE: {"n": 1, "accuracy": 1.0}}}})
    text = write_report([run], tmp_path / "r.html").read_text("utf-8")
    assert text.count("<script") == 2 and text.count("</script>") == 2 and "<!--" not in text
    found = re.search(r'<script type="application/json" id="answer-data">(.*?)</script>', text, re.S)
    assert found is not None and json.loads(found[1])["rows"][0]["answers"]["0"]["said"] == HOSTILE


def test_a_lone_surrogate_in_a_reply_is_no_obstacle(tmp_path: Path) -> None:
    run = write_eval(tmp_path / "run", [prediction(1, prediction="\ud83d half")])
    assert write_report([run], tmp_path / "r.html").is_file()


def test_two_runs_of_a_question_are_one_entry_and_another_question_is_told_apart(tmp_path: Path) -> None:
    shuffled = prediction(2, 0.0, options=["a dog", "a cup", "a lamp"], answer="C")
    found = rows_of(read(write_eval(tmp_path / "a", [prediction(1), prediction(2)]),
                         write_eval(tmp_path / "b", [shuffled, prediction(3)])))
    assert {name: sorted(row["answers"]) for name, row in found.items()} == {"q1": ["0"], "q2": ["0", "1"], "q3": ["1"]}
    assert found["q2"]["answers"]["1"]["options"] == ["a dog", "a cup", "a lamp"]
    assert found["q2"]["answers"]["1"]["right"] == "C" and "options" not in found["q2"]["answers"]["0"]


def test_where_not_all_have_room_wrong_answers_come_first_and_the_rest_is_named(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_eval(tmp_path / "run", [prediction(n, float(n % 4 > 0)) for n in range(100)])
    one = len(read(run).data) // 100
    monkeypatch.setattr(module, "MOST_TEXT", 40 * one)
    found = read(run)
    kinds = [row["answers"]["0"]["kind"] for row in rows_of(found).values()]
    assert kinds.count("wrong") == 25 and 10 <= kinds.count("right") <= 30
    assert found.listed == len(kinds) and found.left_out == {"right": 100 - len(kinds)}
    text = write_report([run], tmp_path / "r.html").read_text("utf-8")
    assert f"{len(kinds)} of 100 questions have room in this page; left out: {100 - len(kinds)} right" in text


def test_questions_that_two_runs_answer_differently_come_before_others(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_eval(tmp_path / "run", [prediction(n, 0.0) for n in range(50)])
    monkeypatch.setattr(module, "MOST_TEXT", len(read(run).data) // 10)
    assert {"q48", "q49"} <= set(rows_of(read(run, first=["q48", "q49"])))


def test_a_very_long_reply_is_cut_and_says_so(tmp_path: Path) -> None:
    run = write_eval(tmp_path / "run", [prediction(1, prediction="x" * (module.LONGEST_REPLY + 7))])
    answer = rows_of(read(run))["q1"]["answers"]["0"]
    assert len(answer["said"]) == module.LONGEST_REPLY and answer["cut"] == 7


def test_a_page_of_thousands_of_answers_stays_below_its_bound(tmp_path: Path) -> None:
    run = write_eval(tmp_path / "run", [prediction(n, prediction="字 <b> " * 300) for n in range(5000)])
    assert write_report([run], tmp_path / "r.html").stat().st_size < 25_000_000


def test_every_category_of_the_results_has_its_table_with_interval_and_count(tmp_path: Path) -> None:
    cell = {"n": 8, "accuracy": 0.375, "se": 0.1, "n_unparsed": 2, "n_truncated": 1}
    groups = {"duration": {"short": cell, "long": {**cell, "accuracy": 0.625}}, "domain": {"sports": cell}}
    more = {"groups": groups, "headline": {"delta_knowledge": 0.125, "short": None, "note": "As the authors count it."},
            "n_unparsed": 3, "n_unscorable": 4, "n_too_large": 5, "n_undecodable": 6, "n_left_out": 7,
            "accuracy_all": 0.11}
    run = write_eval(tmp_path / "run", [prediction(1)], more)
    text = re.sub(r"<[^>]+>|\s+", " ", write_report([run], tmp_path / "r.html").read_text("utf-8").split("<main>")[1])
    text = re.sub(r" +", " ", text)
    for expected in ("by duration (2)", "short 8 37.5 %", "long 8 62.5 %", "by domain (1)", "sports 8 37.5 %",
                     "delta knowledge 12.5 %", "As the authors count it.", "3 unparsed", "4 unscorable", "5 too large",
                     "6 undecodable", "7 left out by the protocol", "11.0 %", "protocol strict", "4 uniform frames",
                     "784 to 3136 a frame", "greedy, at most 32 new tokens", "prompt think_answer", "control none",
                     "demo · a1a1a1a1a1a1", "20.0 % to 80.0 %, chance 33.3 %"):
        assert expected in text, expected


ODD = ("x", None, [], {}, [1], {"a": 1}, {"a": {"b": [1]}}, float("inf"), float("nan"), -1, 10**30, True)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_values_of_the_wrong_kind_never_break_the_page(tmp_path: Path, odd: object) -> None:
    rows = [{**prediction(n), name: odd} for n, name in enumerate(prediction(0))]
    names = ("groups", "headline", "n_left_out", "complete", "n_videos", "model", "families")
    runs = [write_eval(tmp_path / name, rows, {name: odd}, bench=name) for name in names]
    for key in ("eval.frames", "eval.temperature", "model", "libraries", "eval.control", "chosen.sampler", "dtype"):
        runs.append(write_eval(tmp_path / f"key-{key}", rows, bench=key, **{key: odd}))
    text = write_report(runs, tmp_path / "r.html").read_text("utf-8")
    assert all(run.name in text for run in runs)
    one, other = (write_eval(tmp_path / name, rows) for name in "ab")
    assert "a → b" in write_report([one, other], tmp_path / "r.html").read_text("utf-8")


def test_a_run_without_figures_yet_is_said_to_be_unfinished(tmp_path: Path) -> None:
    runs = [write_eval(tmp_path / name, [prediction(1)]) for name in ("done", "going")]
    (runs[1] / "results.json").unlink()
    for run, count in zip(runs, (0, 1), strict=True):
        text = write_report([run], tmp_path / "r.html").read_text("utf-8")
        assert text.count("not finished") == count and "What is number 1?" in text

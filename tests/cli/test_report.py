"""`strive report` writes one page for the runs named, and says what it found in each."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typed import typed

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

from eval_runs import prediction, write_eval


def strive(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return typed("report", *arguments, cwd=cwd)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three steps, the last line torn."""
    folder = tmp_path / "my run"
    folder.mkdir()
    rows = "".join(json.dumps({"step": s, "reward_mean": 0.1 * s, "accuracy": 0.5}) + "\n" for s in (1, 2, 3))
    (folder / "metrics.jsonl").write_text(rows + '{"step": 4, "rew', "utf-8")
    return folder


def answer(*arguments: str) -> dict[str, Any]:
    return json.loads(strive(*arguments, "--json").stdout)


def test_the_page_of_one_run_lies_in_the_run(run: Path) -> None:
    found = answer(str(run))
    assert found["status"] == "ok" and found["outputs"] == {"report": str(run / "report.html")}
    assert found["runs"] == [{"run": str(run), "kind": "train", "steps": 3, "rollouts": 0, "predictions": 0}]
    assert (run / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_the_page_of_several_runs_lies_here_or_where_asked(run: Path, tmp_path: Path) -> None:
    assert strive(str(run), str(run), cwd=tmp_path).stdout == "wrote report.html\n"
    assert (tmp_path / "report.html").is_file()
    assert strive(str(run), "--out", str(tmp_path / "new" / "page.html")).returncode == 0
    assert (tmp_path / "new" / "page.html").is_file()


def test_dry_run_writes_nothing(run: Path) -> None:
    assert strive(str(run), "--dry-run").returncode == 0
    assert not (run / "report.html").exists()


def test_a_folder_that_is_no_run_and_one_that_is_not_there_are_told_apart(run: Path, tmp_path: Path) -> None:
    wrong = strive(str(run), str(tmp_path), "--out", str(tmp_path / "r.html"), "--json")
    assert wrong.returncode == 2 and "not a run folder" in json.loads(wrong.stdout)["error"]["what"]
    missing = strive(str(tmp_path / "nowhere"))
    assert missing.returncode == 5 and "no such run folder" in missing.stderr
    assert not (tmp_path / "r.html").exists()


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """Two evaluations of eight questions about four videos; the second is right on two more and wrong on one."""
    a = write_eval(tmp_path / "a", [prediction(n, float(n in (0, 1, 2))) for n in range(8)])
    b = write_eval(tmp_path / "b", [prediction(n, float(n in (1, 2, 3, 4))) for n in range(8)], eval__frames=8)
    return str(a), str(b)


def test_two_evaluations_are_told_apart_question_by_question(two: tuple[str, str], tmp_path: Path) -> None:
    found = answer(*two, "--out", str(tmp_path / "r.html"))["paired"]
    assert (found["a"], found["b"], found["n"]) == ("a", "b", 8)
    assert found["difference"] == pytest.approx(0.125) and found["ci"][0] < 0.125 < found["ci"][1]
    assert found["mcnemar"] == {"n": 8, "b": 1, "c": 2, "p": pytest.approx(1.0)}
    assert found["won"] == ["q3", "q4"] and found["lost"] == ["q0"] and found["differ"] == {"eval.frames": [4, 8]}
    assert found["groups"]["family"]["count"]["n_won"] == 1
    said = strive(*two, "--out", str(tmp_path / "r.html")).stdout
    for expected in ("a → b: 8 questions about 4 videos", "differ in eval.frames: 4 → 8", "37.5 % → 50.0 %",
                     "+12.5 points (95 % ", "1 right only in a, 2 right only in b, p = 1", "better in b: 2 (q3, q4)",
                     "worse in b: 1 (q0)", "family"):
        assert expected in said, expected
    assert "+12.5 points" in (tmp_path / "r.html").read_text("utf-8")


def test_one_evaluation_has_no_pair(two: tuple[str, str]) -> None:
    assert answer(two[0])["paired"] is None


def test_evaluations_that_cannot_be_compared_are_refused_before_anything_is_written(
        two: tuple[str, str], tmp_path: Path) -> None:
    other = write_eval(tmp_path / "c", [prediction(1)], eval__prompt_format="direct", eval__max_new_tokens=64)
    wrong = strive(two[0], str(other), "--out", str(tmp_path / "r.html"), "--json")
    error = json.loads(wrong.stdout)["error"]
    assert wrong.returncode == 2 and error["expected"] and error["do"]
    for key in ("eval.max_new_tokens: 32 -> 64", "eval.prompt_format: think_answer -> direct"):
        assert key in error["what"]
    mixed = write_eval(tmp_path / "d", [prediction(1)], eval__protocol="official")
    wrong = strive(*two, str(mixed), "--out", str(tmp_path / "r.html"))
    assert wrong.returncode == 2 and "runs of different protocols (strict: a, b; official: d)" in wrong.stderr
    assert not (tmp_path / "r.html").exists()

"""Several `--data`: weights as typed, folders, ids that clash, and a plan that says what is drawn from where."""

import json
from pathlib import Path
from typing import Any

import pytest
from typed import typed

from strive.cli.data_files import data_files, file_and_weight, names_of
from strive.configs.errors import UsageError


def rows(path: Path, *ids: str) -> Path:
    """A dataset file of questions about one video that is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({
        "id": name, "video": "v.mp4", "question": "What is it?", "options": None, "answer": "red",
        "question_type": "open"}) + "\n" for name in ids))
    return path


def plan(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = typed("train", "--run", folder / "run", "--model", "demo", "--dry-run", "--json",
                 "-s", "train.prompts_per_step=3", *arguments)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("text", "weight"), [
    ("b.jsonl", 1.0), ("b.jsonl=2", 2.0), ("b.jsonl=0.5", 0.5), ("b.jsonl=1e3", 1000.0),
])
def test_a_number_after_the_file_is_its_weight(tmp_path: Path, text: str, weight: float) -> None:
    assert file_and_weight(str(tmp_path / text)) == (tmp_path / "b.jsonl", weight)


def test_a_file_that_is_there_under_the_whole_name_wins(tmp_path: Path) -> None:
    odd = rows(tmp_path / "run=2", "q")
    assert file_and_weight(str(odd)) == (odd, 1.0)
    assert file_and_weight(f"{odd}=3") == (odd, 3.0)
    assert file_and_weight(str(tmp_path / "lr=fast.jsonl")) == (tmp_path / "lr=fast.jsonl", 1.0)


@pytest.mark.parametrize("tail", ["0", "-1", "nan", "inf", "", "two"])
def test_a_weight_that_is_no_positive_number_is_refused(tmp_path: Path, tail: str) -> None:
    path = rows(tmp_path / "b.jsonl", "q")
    with pytest.raises(UsageError, match="no positive number") as caught:
        file_and_weight(f"{path}={tail}")
    assert caught.value.do == f"Try --data {path}=2."


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    assert names_of([tmp_path / "a" / "train.jsonl", tmp_path / "b" / "eval.jsonl"]) == ["train.jsonl", "eval.jsonl"]
    paths = [tmp_path / "a" / "x" / "train.jsonl", tmp_path / "b" / "x" / "train.jsonl"]
    assert names_of(paths) == ["a/x/train.jsonl", "b/x/train.jsonl"]


def test_one_folder_of_videos_serves_all_files_or_each_has_its_own(tmp_path: Path) -> None:
    files = [str(rows(tmp_path / name / "train.jsonl", name)) for name in "ab"]
    assert [file.videos for file in data_files(files, [])] == [tmp_path / "a", tmp_path / "b"]
    assert [file.videos for file in data_files(files, [Path("v")])] == [Path("v")] * 2
    assert [file.videos for file in data_files(files, [Path("v"), Path("w")])] == [Path("v"), Path("w")]
    with pytest.raises(UsageError, match="3 --videos for 2 --data"):
        data_files(files, [Path("v")] * 3)
    with pytest.raises(UsageError, match="given twice") as caught:
        data_files([files[0], f"{tmp_path}/b/../a/train.jsonl=2"], [])
    assert "=2" in caught.value.do


def test_the_plan_says_how_often_each_file_is_drawn_from(tmp_path: Path) -> None:
    one, two = rows(tmp_path / "one.jsonl", "a", "b", "c"), rows(tmp_path / "two.jsonl", *"defghi")
    lines = plan(tmp_path, "--data", f"{one}=3", "--data", str(two))["plan"]
    assert any("75.0% from one.jsonl (3 questions), 25.0% from two.jsonl (6 questions)" in line for line in lines)
    assert any(line.startswith("variants") and "9 samples" in line for line in lines)
    single = plan(tmp_path, "--data", str(one), "-s", "train.pass_rate=[0.1,0.9]")["plan"]
    assert not any("drawn" in line for line in single)
    assert any("3 questions x 8 rollouts before the first step" in line for line in single)


def test_an_id_in_two_files_is_refused_with_both_rows(tmp_path: Path) -> None:
    one, two = rows(tmp_path / "one.jsonl", "a", "b", "c"), rows(tmp_path / "two.jsonl", "d", "b")
    error = plan(tmp_path, "--data", str(one), "--data", str(two), code=2)["error"]
    assert f"'b' is in two files: {one}, row 2, and {two}, row 2" in error["what"] and error["expected"] and error["do"]


def test_a_file_too_small_for_its_weight_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    one, two = rows(tmp_path / "one.jsonl", "a", "b", "c"), rows(tmp_path / "two.jsonl", "d")
    error = plan(tmp_path, "--data", str(one), "--data", f"{two}=9", code=5)["error"]
    assert "two.jsonl: 1 usable questions" in error["what"] and "two.jsonl=WEIGHT" in error["do"]

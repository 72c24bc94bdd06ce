"""Video-R1's evaluation files: kinds of questions, where videos lie, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks import benchmark


def row(number: int, kind: str, solution: str, path: str, **more: Any) -> dict[str, Any]:
    return {"problem_id": number, "problem": "How many?", "data_type": "video", "problem_type": kind, "options": None,
            "solution": f"<answer>{solution}</answer>", "path": path, "original_question_type": "counting", **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [row(0, "regression", "4", "./Evaluation/VSI/a.mp4"),
            row(1, "multiple choice", "A", "./Evaluation/VSI/b.mp4", options=["A. left", "B. right"]),
            row(2, "numerical", "7", "./Evaluation/VSI/c.mp4")]
    (tmp_path / "eval_vsibench.json").write_text(json.dumps(rows))
    (tmp_path / "VSI").mkdir()
    (tmp_path / "VSI/a.mp4").write_bytes(b"x")
    (tmp_path / "Evaluation/VSI").mkdir(parents=True)
    (tmp_path / "Evaluation/VSI/b.mp4").write_bytes(b"x")
    return tmp_path


def read(path: Path) -> Any:
    return benchmark("video_r1")(path, path.parent / "work")


def test_a_file_or_the_folder_around_it_is_read(folder: Path) -> None:
    data = read(folder)
    assert [vars(s) for s in data.samples] == [vars(s) for s in read(folder / "eval_vsibench.json").samples]
    assert [(s.question_type, s.meta.get("metric"), s.answer) for s in data.samples] == [
        ("numerical", "mra", "4"), ("multiple_choice", None, "A"), ("numerical", None, "7")]


def test_videos_lie_where_the_path_says_with_or_without_its_first_folder(folder: Path) -> None:
    data = read(folder)
    assert data.video_path(data.samples[0]) == folder / "VSI/a.mp4"
    assert data.video_path(data.samples[1]) == folder / "Evaluation/VSI/b.mp4"
    with pytest.raises(ItemError, match=r"c\.mp4"):
        data.video_path(data.samples[2])


def test_several_files_none_and_paths_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "eval_mmvu.json").write_text("[]")
    with pytest.raises(UsageError, match="eval_mmvu"):
        read(folder)
    with pytest.raises(MissingError, match="no eval_"):
        read(folder / "VSI")
    (folder / "eval_mmvu.json").write_text(json.dumps([row(0, "numerical", "1", "../../etc/passwd")]))
    with pytest.raises(UsageError, match="leaves the videos folder"):
        read(folder / "eval_mmvu.json")

"""A dataset is read as it is written, and refused with the row number where it can't be graded."""

import json
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import MissingError, UsageError
from strive.stages.tasks.dataset import open_dataset, read_dataset, resolve_video

ROW: dict[str, Any] = {
    "id": "q1",
    "video": "a.mp4",
    "question": "What falls?",
    "options": ["a cup", "a plate"],
    "answer": "B",
    "question_type": "multiple_choice",
}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def test_a_row_becomes_a_sample(tmp_path: Path) -> None:
    (sample,) = read_dataset(write(tmp_path / "d.jsonl", ROW))
    assert (sample.id, sample.video, sample.options, sample.answer, sample.meta) == (
        "q1",
        "a.mp4",
        ("a cup", "a plate"),
        "B",
        {},
    )


@pytest.mark.parametrize(
    "options",
    [["A. a cup", "B. a plate"], ["(A) a cup", "(B) a plate"], ["A) a cup", "B) a plate"], ["A: a cup", "B: a plate"]],
)
def test_leading_letters_are_recognised_and_removed(tmp_path: Path, options: list[str]) -> None:
    assert read_dataset(write(tmp_path / "d.jsonl", {**ROW, "options": options}))[0].options == ("a cup", "a plate")


@pytest.mark.parametrize(
    "options", [["A. a cup", "a plate"], ["B. a cup", "A. a plate"], ["A man", "B movie"], ["A.M.", "P.M."]]
)
def test_what_is_no_lettering_stays(tmp_path: Path, options: list[str]) -> None:
    assert read_dataset(write(tmp_path / "d.jsonl", {**ROW, "options": options}))[0].options == tuple(options)


@pytest.mark.parametrize(
    ("kind", "options", "answer", "kept"),
    [
        ("multiple_choice", ["x", "y"], "b", "B"),
        ("multiple_choice", ["x", "y"], "(B)", "B"),
        ("multiple_choice", ["x", "y"], "y", "B"),
        ("multiple_choice", ["x", "y"], "B. y", "B"),
        ("multi_answer", ["x", "y", "z"], "C,A", "A,C"),
        ("multi_answer", ["x", "y", "z"], ["A", "C"], "A,C"),
        ("yes_no", None, "Yes", "yes"),
        ("yes_no", None, True, "yes"),
        ("numerical", None, 4, "4"),
        ("numerical", None, "4.50", "4.50"),
        ("interval", None, [1, 2.5], "[1.0, 2.5]"),
        ("progress", None, "40%", "40%"),
        ("open", None, "red", "red"),
    ],
)
def test_answers_are_kept_in_canonical_form(tmp_path: Path, kind: str, options: Any, answer: Any, kept: str) -> None:
    row = {**ROW, "question_type": kind, "options": options, "answer": answer}
    assert read_dataset(write(tmp_path / "d.jsonl", row))[0].answer == kept


BAD = [
    ({"video": None}, "no 'video'"),
    ({"id": None}, "no 'id'"),
    ({"question": " "}, "question"),
    ({"answer": None}, "no 'answer'"),
    ({"answer": "C"}, "among 2 options"),
    ({"answer": ""}, "empty"),
    ({"question_type": "quiz"}, "question_type 'quiz'"),
    ({"options": ["x"]}, "1 options"),
    ({"options": "A or B"}, "not a list"),
    ({"options": None}, "no options"),
    ({"options": ["x"] * 27}, "27 options"),
    ({"meta": []}, "[]"),
    ({"meta": "x"}, "meta is a str"),
    ({"answr": "B"}, "unknown column 'answr'"),
    ({"id": ["x"]}, "id"),
    ({"question_type": "numerical", "answer": "many"}, "numerical"),
    ({"question_type": "yes_no", "answer": "maybe"}, "yes_no"),
    ({"question_type": "interval", "answer": [5, 1]}, "interval"),
    ({"meta": {"metric": "rouge"}}, "meta.metric"),
    ({"video": 3}, "video"),
    ({"question_type": "multi_answer", "answer": "A,D"}, "among 2"),
]


@pytest.mark.parametrize(("change", "what"), [case for case in BAD if case[1] != "[]"])
def test_a_bad_row_is_refused_by_number_in_three_parts(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    path = write(tmp_path / "d.jsonl", ROW, {**ROW, "id": "q2", **change})
    with pytest.raises(UsageError) as caught:
        read_dataset(path)
    assert "row 2" in caught.value.what and what in caught.value.what
    assert caught.value.expected and caught.value.do and caught.value.code == 2


def test_duplicate_ids_name_both_rows(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="row 3: id 'q1' is already row 1's"):
        read_dataset(write(tmp_path / "d.jsonl", ROW, {**ROW, "id": "q2"}, ROW))


@pytest.mark.parametrize(
    "text", ["{broken", "[1, 2", '"text"', "3", "[" * 100_000, '{"a":' * 100_000, '{"id": NaN}', "\x00"]
)
def test_broken_and_deeply_nested_json_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "d.jsonl", ROW, text)
    with pytest.raises(UsageError, match="row 2"):
        read_dataset(path)


def test_nested_json_in_a_list_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nested"):
        read_dataset(write(tmp_path / "d.json", "[" * 50_000 + "]" * 50_000))


def test_brackets_inside_a_question_are_not_nesting(tmp_path: Path) -> None:
    assert len(read_dataset(write(tmp_path / "d.jsonl", {**ROW, "question": "[{" * 500}))) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "[]"])
def test_an_empty_dataset_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.jsonl").write_text(text)
    with pytest.raises(UsageError, match="no rows"):
        read_dataset(tmp_path / "d.jsonl")


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such dataset"):
        read_dataset(tmp_path / "d.jsonl")
    (tmp_path / "d.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_dataset(tmp_path / "d.jsonl")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROW).encode() + b"\r\n")
    assert read_dataset(tmp_path / "d.jsonl")[0].id == "q1"


VIDEO_R1 = [
    {
        "problem_id": 0,
        "problem": "How many table(s) are in this room?",
        "data_type": "video",
        "problem_type": "regression",
        "options": [],
        "process": "",
        "solution": "<answer>4</answer>",
        "path": "./Evaluation/a.mp4",
        "data_source": "VSIBench",
    },
    {
        "problem_id": 2,
        "problem": "<video>Left or right?",
        "data_type": "video",
        "problem_type": "multiple choice",
        "options": ["A. left", "B. right"],
        "solution": "<answer>B</answer>",
        "path": "b.mp4",
    },
    {
        "problem_id": 3,
        "problem": "What does it say?",
        "problem_type": "OCR",
        "options": None,
        "answer": "EXIT",
        "videos": ["c.mp4"],
    },
]


@pytest.mark.parametrize("as_list", [True, False])
def test_video_r1_files_are_read(tmp_path: Path, as_list: bool) -> None:
    path = write(tmp_path / "d.json", json.dumps(VIDEO_R1)) if as_list else write(tmp_path / "d.jsonl", *VIDEO_R1)
    first, second, third = read_dataset(path)
    assert (first.question_type, first.answer, first.meta["metric"], first.video) == (
        "numerical",
        "4",
        "mra",
        "Evaluation/a.mp4",
    )
    assert (second.question, second.options, second.answer) == ("Left or right?", ("left", "right"), "B")
    assert (third.question_type, third.answer, third.video) == ("open", "EXIT", "c.mp4")


@pytest.mark.parametrize(
    "name", ["../a.mp4", "x/../../a.mp4", "/etc/passwd", "C:\\x.mp4", "\\\\host\\x", "a\0b", "..", "..\\a.mp4", ""]
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        resolve_video(name, tmp_path)


def test_links_out_are_refused_unless_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "videos", tmp_path / "outside.mp4"
    folder.mkdir()
    outside.write_bytes(b"x")
    (folder / "link.mp4").symlink_to(outside)
    (folder / "deep").symlink_to(tmp_path)
    for name in ("link.mp4", "deep/outside.mp4"):
        with pytest.raises(UsageError, match="link"):
            resolve_video(name, folder)
        assert resolve_video(name, folder, follow_links=True).read_bytes() == b"x"


def test_ordinary_odd_names_are_allowed(tmp_path: Path) -> None:
    for name in ("a b/ü ✓.mp4", "-x.mp4", "a..b.mp4", "./a.mp4", "sub/a.mp4"):
        assert resolve_video(name, tmp_path).is_relative_to(tmp_path)


def test_an_opened_dataset_gives_the_same_samples_without_holding_them(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    rows = [{**ROW, "id": f"q{i}", "question": f"What is shown in piece {i}? é"} for i in range(50)]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(json.dumps(one).encode() + b"\n" for one in rows))
    opened = open_dataset(path)
    assert list(opened) == read_dataset(path) and len(opened) == 50
    assert [one.id for one in opened[10:12]] == ["q10", "q11"] and opened[49].id == "q49"


def test_an_opened_dataset_that_changes_is_not_read_on(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", {**ROW, "id": "a"})
    opened = open_dataset(path)
    write(path, {**ROW, "id": "b", "question": "Another question?"})
    with pytest.raises(UsageError, match="changed while it was used"):
        opened[0]

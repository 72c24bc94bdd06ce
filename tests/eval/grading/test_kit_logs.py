"""`strive grade` on VLMEvalKit's prediction files, and on the results files of the benchmarks' authors."""

import csv
import json
import math
import pickle  # noqa: TID251 - a pickle is made to see that it is refused
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grade_here import strive_grade

VIDEOMME = {"index": 0, "video": "-ab_C", "video_path": "./video/-ab_C.mp4", "duration": "short", "domain": "Knowledge",
            "candidates": "['A. It\\'s red.', \"B. 'Blue'.\", 'C. Green.', 'D. None.']", "sub_category": "Law",
            "task_type": "OCR Problems", "subtitle_path": "x", "question": "Which\tcolour?\nLook.", "answer": "B"}


def graded(file: Path, *arguments: str) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Exit code, the object on stdout, the verdicts."""
    out = file.with_suffix(".verdicts")
    code, said, _ = strive_grade(str(file), "--json", "--out", str(out), *arguments)
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return code, json.loads(said), lines


def tsv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def xlsx(path: Path, rows: list[dict[str, Any]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        book.active.append(row)
    book.save(path)
    return path


REPLIES = ['<think>"Blue",\nI\tsay.</think>\n<answer>B</answer>', None, "=> answer: B", "A_x000D_"]


def videomme_rows() -> list[dict[str, Any]]:
    return [{**VIDEOMME, "index": i, "prediction": reply} for i, reply in enumerate(REPLIES)]


def test_a_table_with_tabs_lines_and_quotes_in_its_cells(tmp_path: Path) -> None:
    code, found, lines = graded(tsv(tmp_path / "model_Video-MME.tsv", videomme_rows()))
    assert code == 0 and [one["status"] for one in lines[:2]] == ["ok", "empty"]
    assert [one["parsed"] for one in lines[:3]] == ["B", None, "B"] and found["groups"]["domain"]["Knowledge"]["n"] == 4
    assert found["n_videos"] == 1 and not found["odd"]


def test_a_sheet_says_the_same_as_the_table(tmp_path: Path) -> None:
    table = graded(tsv(tmp_path / "a.tsv", videomme_rows()[:3]))[2]
    assert graded(xlsx(tmp_path / "b.xlsx", videomme_rows()[:3]))[2] == table
    assert graded(xlsx(tmp_path / "c.xlsx", videomme_rows()[3:]))[2][0]["parsed"] == "A"


def test_json_rows_with_nan_for_an_empty_reply(tmp_path: Path) -> None:
    file = tmp_path / "model_Video-MME.json"
    for indent in (None, 4):
        file.write_text(json.dumps([{**VIDEOMME, "prediction": math.nan}, {**VIDEOMME, "index": 1, "prediction": "B"}],
                                   indent=indent))
        assert [one["status"] for one in graded(file)[2]] == ["empty", "ok"]


KINDS: dict[str, dict[str, Any]] = {
    "TempCompass_MCQ": {"task_type": "multi-choice", "prefix": "./videos", "suffix": ".mp4", "video": "1001",
                        "question": "What is it doing?", "answer": "B. running", "dim": "action",
                        "candidates": "['A. walking', 'B. running']"},
    "TempCompass_MCQ_matching": {
        "task_type": "caption_matching", "video": "1001", "question": "Which?", "answer": "Option 2: it runs",
        "dim": "action", "candidates": "['Option 1: it walks', 'Option 2: it runs']", "prediction": "Option 2"},
    "TempCompass_YorN": {"task_type": "yes_no", "video": "1", "question": "Is it?", "answer": "yes", "dim": "order",
                         "prediction": "Yes."},
    "VSIBench": {"id": 7, "prefix": "arkitscenes", "video": "41", "type": "room_size_estimation", "question": "Size?",
                 "answer": "4.0", "candidates": "", "prediction": "4.0"},
    "VSIBench_mca": {"id": 8, "prefix": "scannet", "video": "scene", "type": "route_planning", "question": "Where?",
                     "answer": "B", "candidates": "['A. Left', 'B. Right']"},
    "MVBench": {"task_type": "Fine-grained Action", "prefix": "video/x/", "data_type": "video", "bound": "True",
                "start": "1.5", "end": "", "video": "a.mp4", "question": "What?", "answer": "sits",
                "candidates": "['stands', 'sits']"},
    "MMVU": {"id": "validation_0", "subject": "Art", "question_type": "multiple-choice", "question": "Which?",
             "choices": '{"A": "a", "B": "b", "C": "c", "D": "d", "E": "e"}', "answer": "B",
             "video": "videos/Art/0.mp4", "youtube_url": "u", "textbook": "t"},
    "VideoMMMU": {"id": "validation_Finance_8", "category": "Comprehension", "question": "Which?",
                  "options": '["one", "two", "three"]', "answer": "B", "question_type": "multiple-choice",
                  "video": "Business/validation_Finance_8.mp4", "image": ""},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_dataset_of_the_kit_is_known_by_its_columns(tmp_path: Path, kind: str) -> None:
    row = {"index": 0, "prediction": "B", **KINDS[kind]}
    code, found, lines = graded(tsv(tmp_path / f"model_{kind}.tsv", [row]))
    assert code == 0 and lines[0]["score"] == 1.0 and not found["odd"], found
    assert graded(tsv(tmp_path / "again.tsv", [row]), "--protocol", "vlmevalkit")[0] == 0


def test_a_failed_request_is_said_and_graded_as_written(tmp_path: Path) -> None:
    rows = [{**VIDEOMME, "prediction": "Failed to obtain answer via API."}]
    code, found, lines = graded(tsv(tmp_path / "a.tsv", rows))
    assert code == 0 and found["n_odd"] == {"failed request": 1} and lines[0]["score"] == 0.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"domain": None, "sub_category": None, "task_type": None, "candidates": None}, "the columns index, video"),
        ({"candidates": "__import__('os').listdir()"}, "is no list"),
        ({"candidates": "[" * 70000}, "a cell of 70000 characters"),
        ({"answer": None}, "no answer"),
    ],
)
def test_a_row_of_no_known_kind_is_refused_with_its_columns(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    row = {name: value for name, value in {**VIDEOMME, "prediction": "B", **change}.items() if value is not None}
    code, found, _ = graded(tsv(tmp_path / "a.tsv", [row]))
    assert code == 2 and said in found["error"]["what"] and "row 1" in found["error"]["what"], found


def test_files_that_are_no_logs_are_refused_with_words(tmp_path: Path) -> None:
    file = tmp_path / "model_Video-MME.pkl"
    for level in (2, 4, 5):
        file.write_bytes(pickle.dumps({"a": 1}, protocol=level))
        code, found, _ = graded(file)
        assert code == 2 and "a pickle, which can run code" in found["error"]["what"]
    file.write_bytes(b"PK\x03\x04 torn")
    assert "not a readable xlsx" in graded(file)[1]["error"]["what"]
    file.write_bytes(b"\x1f\x8b\x08rest")
    assert "gzip" in graded(file)[1]["error"]["what"]
    file.write_text('index\tquestion\tanswer\tprediction\n0\t"never closed\tB\tB\n')
    assert "not a table" in graded(file)[1]["error"]["what"]
    file.write_text('[{"index": 0, "quest')
    assert "not JSON" in graded(file)[1]["error"]["what"]


def test_video_mme_results_file_and_its_missing_videos(tmp_path: Path) -> None:
    asked = {"question_id": "001-1", "task_type": "OCR Problems", "question": "Q?", "answer": "C", "response": "C.",
             "options": ["A. one", "B. two", "C. three", "D. four"]}
    about = {"video_id": "001", "duration": "short", "domain": "Knowledge", "sub_category": "Law", "missing": False}
    videos = [{**about, "questions": [asked, {**asked, "question_id": "001-2", "response": None}]},
              {**about, "video_id": "002", "missing": True, "questions": [{**asked, "question_id": "002-1"}]}]
    file = tmp_path / "output.json"
    file.write_text(json.dumps(videos, indent=1))
    code, found, lines = graded(file)
    assert [one["status"] for one in lines] == ["ok", "empty", "unscorable"] and found["n"] == 2
    assert found["n_odd"] == {"not asked": 1} and found["groups"]["duration"]["short"]["n"] == 2
    assert graded(file, "--protocol", "official")[1]["accuracy"] == 1.0
    del asked["response"]
    file.write_text(json.dumps([{**about, "questions": [asked]}]))
    assert "question 001-1 has no response" in graded(file)[1]["error"]["what"]


def test_what_video_r1_writes_is_graded_by_its_whole_reply(tmp_path: Path) -> None:
    row = {"problem_id": 1, "problem": "Which?", "data_type": "video", "problem_type": "multiple choice",
           "options": ["A. left", "B. right"], "solution": "<answer>B</answer>", "path": "./a.mp4", "process": "",
           "output": "<think>x</think><answer>B</answer>", "prediction": "B", "reward": 1.0, "correct": True}
    rows = [row, {**row, "problem_id": 2, "output": "<answer>error</answer>", "prediction": "error", "reward": 0.0}]
    file = tmp_path / "eval_videomme_video_r1_greedy_output.json"
    file.write_text(json.dumps({"results": rows, "final_acc": [{"mean_acc": 0.5, "mean_mra": 0.0}]}, indent=2))
    for protocol in ("strict", "video-r1"):
        code, found, lines = graded(file, "--protocol", protocol)
        assert code == 0 and [one["score"] for one in lines] == [1.0, 0.0] and found["n_odd"] == {"failed request": 1}


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    script = ("import sys; from pathlib import Path;"
              "from strive.stages.eval.grading.grade_file import grade_file;"
              "from strive.stages.eval.grading.grader import Grader;"
              "grade_file(Path(sys.argv[1]), Grader('strict'), Path(sys.argv[2]));"
              "print([x.split()[1] for x in open('/proc/self/status') if x.startswith('VmHWM')][0])")
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    peaks = []
    for count in (200, 4000):
        rows = [{**VIDEOMME, "index": i, "prediction": f"<think>{'no ' * 700}</think>B"} for i in range(count)]
        file = tsv(tmp_path / f"{count}.tsv", rows)
        done = subprocess.run([sys.executable, "-c", script, str(file), str(tmp_path / "out")], capture_output=True,
                              text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 5, peaks  # MiB; the file grew by 9 MiB

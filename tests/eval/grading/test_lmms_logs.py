"""`strive grade` on lmms-eval's sample logs, with and without documents."""

import json
from pathlib import Path
from typing import Any

import pytest
from grade_here import strive_grade

SELECT = ("Select the best answer to the following multiple-choice question based on the video and the subtitles. "
          "Respond with only the letter (A, B, C, or D) of the correct option.\n")


def graded(file: Path, *arguments: str) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Exit code, the object on stdout, the verdicts."""
    out = file.with_suffix(".verdicts")
    code, said, _ = strive_grade(str(file), "--json", "--out", str(out), *arguments)
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return code, json.loads(said), lines


def log(folder: Path, task: str, *rows: dict[str, Any]) -> Path:
    path = folder / f"20260101_120000_samples_{task}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def videomme(number: int, reply: str, answer: str = "B", **more: Any) -> dict[str, Any]:
    prompt = (f"{SELECT}Which fruit is shown?\nA. Apples.\nB. Pears.\nC. Plums.\nD. Figs.\n\n"
              "Answer with the option's letter from the given choices directly.")
    metric = {"question_id": f"001-{number}", "duration": "short", "category": "Knowledge", "sub_category": "Law",
              "task_category": "OCR Problems", "pred_answer": "B", "answer": answer, "score": 1.0, "videoID": "ab-C_1"}
    return {"doc_id": number, "target": answer, "filtered_resps": [reply], "doc_hash": "0", "input": prompt,
            "videomme_perception_score": metric, **more}


def test_a_log_without_documents_is_graded_from_its_metrics_and_prompt(tmp_path: Path) -> None:
    file = log(tmp_path, "videomme", videomme(1, "B"), videomme(2, "It shows pears."), videomme(3, "<think>B", "C"))
    code, found, lines = graded(file)
    assert code == 0 and [(one["id"], one["parsed"], one["score"]) for one in lines] == [
        ("001-1", "B", 1.0), ("001-2", "B", 1.0), ("001-3", None, 0.0)]
    assert found["groups"]["domain"]["Knowledge"]["n"] == 3 and found["groups"]["task_type"]["OCR Problems"]["n"] == 3
    assert found["n_videos"] == 1


def test_the_reply_is_the_one_before_the_harness_stripped_its_thought(tmp_path: Path) -> None:
    row = videomme(1, "B", resps=[["<think>The figs\u2026 no, \u201cplums\u201d.</think>\n<answer>C</answer>"]])
    assert graded(log(tmp_path, "videomme", row))[2][0]["parsed"] == "C"


def test_a_document_goes_before_everything_else(tmp_path: Path) -> None:
    doc = {"video_id": "001", "duration": "long", "domain": "Life Record", "sub_category": "Food", "url": "u",
           "videoID": "x", "question_id": "001-9", "task_type": "OCR Problems", "question": "Which?",
           "options": ["A. one", "B. two", "C. three", "D. four"], "answer": "D"}
    code, found, lines = graded(log(tmp_path, "videomme", videomme(1, "four", doc=doc)))
    assert lines[0]["id"] == "001-9" and lines[0]["score"] == 1.0 and "long" in found["groups"]["duration"]


def test_the_older_file_with_logs_inside(tmp_path: Path) -> None:
    rows = [{**videomme(1, "B"), "input": None, "arguments": [[videomme(1, "")["input"], {"until": ["\n"]}]]}]
    file = tmp_path / "videomme.json"
    file.write_text(json.dumps({"args": {"tasks": "videomme"}, "logs": rows, "time": "now"}, indent=4))
    assert [one["score"] for one in graded(file)[2]] == [1.0]
    file.write_text(json.dumps({"args": {"tasks": "videomme"}, "logs": rows}))
    assert [one["score"] for one in graded(file)[2]] == [1.0]


def test_perceptiontest_takes_its_options_from_the_prompt(tmp_path: Path) -> None:
    metric = {"video_name": "video_7", "question": "What is taken?", "question_id": "2", "pred_id": 0, "answer_id": "1",
              "area": "memory", "reasoning": "descriptive", "tag": ["motion"]}
    prompt = "What is taken?\nA. a cup\nB. a pen\nof steel\nC. a book\nAnswer with the option's letter"
    rows = [{"doc_id": 0, "target": "1", "resps": [[reply]], "filtered_resps": [reply], "input": prompt,
             "accuracy": {**metric, "question_id": str(i)}} for i, reply in enumerate(["B.", "a book", "a cup"])]
    lines = graded(log(tmp_path, "perceptiontest_val_mc", *rows))[2]
    assert [one["parsed"] for one in lines] == ["B", "C", "A"] and lines[0]["id"] == "video_7/0"


def test_every_other_benchmark_is_read(tmp_path: Path) -> None:
    common = {"doc_id": 0, "filtered_resps": ["B"], "target": "B"}
    temp = {"video_id": "1001_reverse", "question": "What?\nA. up\nB. down", "gt-answer": "B. down",
            "video-llm-prediction": "B", "match_success": True, "rating": 1, "dim": "direction"}
    vsi = {"id": 3, "dataset": "scannet", "scene_name": "scene0011_00", "question_type": "object_counting",
           "question": "How many?", "ground_truth": "4", "options": None, "prediction": "4", "MRA:.5:.95:.05": 1.0}
    mmmu = {"id": "validation_Finance_8", "subdomain": "Finance", "question_type": "multiple-choice", "answer": "B",
            "parsed_pred": "B"}
    rows: dict[str, dict[str, Any]] = {
        "tempcompass_multi_choice": {**common, "avg_accuracy": temp, "direction_accuracy": temp, "input": "What?"},
        "vsibench": {**common, "filtered_resps": ["4"], "vsibench_score": vsi, "input": "These are frames"},
        "video_mmmu_perception": {
            **common, "mmmu_acc": mmmu,
            "input": "Which?\nA. 1\nB. 2\nC. 3\nPlease ignore the Quiz question in last frame of the video."},
        "mmvu_val": {**common, "accuracy": {"question_id": "validation_1", "category": "Art", "answer": "B"},
                     "input": "\nQuestion:Which?\nA: a\nB: b\nC: c\nD: d\nE: e\nVisual Information: processed video\n"},
        "mvbench_action_sequence": {**common, "mvbench_accuracy": {"pred_answer": "B", "gt_answer": "B", "score": 1},
                                    "input": "Question:Which?\nOption:\n(A) sits\n(B) stands\nOnly give the best"},
    }
    for task, row in rows.items():
        code, found, lines = graded(log(tmp_path, task, row))
        assert code == 0 and lines[0]["score"] == 1.0 and not found["odd"], (task, found)
    open_row = {**rows["mmvu_val"], "filtered_resps": ["Depth-first search"], "target": "depth-first search",
                "accuracy": {"question_id": "validation_2", "category": "Art", "answer": "depth-first search"},
                "input": "\nQuestion:Which?\nVisual Information: processed video\nDo not generate any\n"}
    found = graded(log(tmp_path, "mmvu_val_open", open_row))[1]
    assert found["groups"]["question_type"]["open-ended"]["accuracy"] == 1.0


CAPTION = {"video_id": "1", "question": "Describe.", "gt-answer": "A. x", "dim": "order"}


@pytest.mark.parametrize(
    ("task", "row", "said"),
    [
        ("chartqa", {"filtered_resps": ["B"]}, "no benchmark is known of the task 'chartqa'"),
        ("tempcompass", {"filtered_resps": ["B"]}, "does not tell which part of tempcompass"),
        ("videomme", {"filtered_resps": ["B"], "target": "B"}, "no question_id, question, options"),
        ("tempcompass_captioning", {"filtered_resps": ["A man"], "avg_accuracy": CAPTION}, "no mc_question, mc_answer"),
        ("mvbench_action_count", {"filtered_resps": [[-3.5, False]], "doc": {}}, "no question, candidates, answer"),
    ],
)
def test_what_a_log_does_not_tell_is_named(tmp_path: Path, task: str, row: dict[str, Any], said: str) -> None:
    code, found, _ = graded(log(tmp_path, task, row))
    assert code == 2 and said in found["error"]["what"] and "row 1" in found["error"]["what"], found
    assert found["error"]["expected"] and found["error"]["do"]


def test_likelihoods_are_no_replies(tmp_path: Path) -> None:
    code, found, _ = graded(log(tmp_path, "videomme", {**videomme(1, "B"), "filtered_resps": [[-3.5, False]]}))
    assert code == 2 and "a reply is -3.5" in found["error"]["what"]


def test_a_renamed_log_needs_the_benchmark_named(tmp_path: Path) -> None:
    file = log(tmp_path, "videomme", videomme(1, "B")).rename(tmp_path / "mine.jsonl")
    assert graded(file)[0] == 2
    assert graded(file, "--bench", "videomme")[2][0]["score"] == 1.0

"""`strive grade`: a verdict a row, in order, whole or not at all; bad files are refused by row."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from grade_here import strive_grade


def graded(file: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the object on stdout."""
    code, said, _ = strive_grade(str(file), "--json", *arguments)
    return code, json.loads(said)


def row(name: str, prediction: Any, answer: str = "B", **more: Any) -> dict[str, Any]:
    return {"id": name, "bench": "demo", "question_type": "multiple_choice", "question": "Which block moves?",
            "options": ["red", "green", "blue"], "answer": answer, "prediction": prediction, "meta": {}, **more}


def write(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    return path


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", [row("a", "B"), row("b", "C")])
    done = subprocess.run([sys.executable, "-m", "strive.cli", "grade", str(file), "--json"], capture_output=True,
                          text=True)
    found, here = json.loads(done.stdout), graded(file)
    assert (done.returncode, found["accuracy"], found["benches"]) == (here[0], 0.5, here[1]["benches"])


def test_every_row_gets_a_verdict_in_its_order(tmp_path: Path) -> None:
    rows = [row("q3", "<answer>B</answer>"), row("q1", "The answer is (C)."), row("q2", ""), row("q0", "A or B"),
            row("q4", "I can't tell."), row("q5", "<think>it is B"), row("q6", None)]
    out = tmp_path / "out.jsonl"
    code, found = graded(write(tmp_path / "in.jsonl", rows), "--out", str(out))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert code == 0 and [line["id"] for line in lines] == ["q3", "q1", "q2", "q0", "q4", "q5", "q6"]
    assert [line["status"] for line in lines] == ["ok", "ok", "empty", "ambiguous", "unparsed", "truncated", "empty"]
    assert [line["score"] for line in lines] == [1, 0, 0, 0, 0, 0, 0] and lines[1]["parsed"] == "C"
    assert set(lines[0]) == {"id", "parsed", "score", "status"}
    assert found["accuracy"] == pytest.approx(1 / 7) and found["accuracy_answered"] == 0.5
    assert (found["n_unparsed"], found["n_ambiguous"], found["n_truncated"], found["n_empty"]) == (1, 1, 1, 2)
    assert found["outputs"]["out"] == str(out) and found["done"] == 7


def test_a_protocol_without_a_rule_for_a_row_gives_null(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    code, found = graded(write(tmp_path / "in.jsonl", [row("a", "B")]), "--protocol", "official", "--out", str(out))
    verdict = json.loads(out.read_text())
    assert code == 0 and verdict == {"id": "a", "parsed": None, "score": None, "status": "unscorable"}
    assert found["accuracy"] is None and found["n_unscorable"] == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"id": "x", "bench": "demo"}, "no question, answer, prediction"),
        ({**row("x", "B"), "bench": "videome"}, "videomme"),
        ([1], "not an object"),
        (row("x", ["B"]), "prediction is a list"),
        (row("x", "B", meta=3), "meta is a int"),
    ],
)
def test_a_bad_row_is_refused_by_its_number_and_nothing_is_written(tmp_path: Path, bad: Any, said: str) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("of before\n")
    code, found = graded(write(tmp_path / "in.jsonl", [row("a", "B"), bad]), "--out", str(out))
    assert code == 2 and "row 2" in found["error"]["what"] and said in found["error"]["what"]
    assert out.read_text() == "of before\n" and sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_files_that_can_not_be_graded_each_have_their_own_words(tmp_path: Path) -> None:
    assert graded(tmp_path / "none.jsonl")[0] == 5
    code, found = graded(write(tmp_path / "empty.jsonl", []))
    assert code == 2 and "no rows" in found["error"]["what"]
    torn = tmp_path / "torn.jsonl"
    torn.write_text(json.dumps(row("a", "B")) + '\n{"id": "b", "ben')
    assert graded(torn)[1]["error"]["what"].startswith(f"{torn}, row 2: not JSON")
    file = write(tmp_path / "in.jsonl", [row("a", "B")])
    code, found = graded(file, "--out", str(file))
    assert code == 2 and "the predictions themselves" in found["error"]["what"] and len(file.read_text()) > 50
    code, found = graded(file, "--protocol", "lmms")
    assert code == 2 and "lmms-eval" in json.dumps(found["error"])


def test_what_is_no_file_is_neither_read_nor_written_over(tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", [row("a", "B")])
    code, found = graded(file, "--out", str(tmp_path))
    assert code == 2 and "not a regular file" in found["error"]["what"]
    code, found = graded(tmp_path)
    assert code == 2 and "a folder" in found["error"]["what"]
    wide = tmp_path / "wide.jsonl"
    wide.write_text(json.dumps(row("a", "B")), "utf-16")
    assert "UTF-16" in graded(wide)[1]["error"]["what"]


def test_verdicts_of_before_outlive_a_file_without_rows(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("of before\n")
    assert graded(write(tmp_path / "empty.jsonl", []), "--out", str(out))[0] == 2 and out.read_text() == "of before\n"


def test_a_limit_grades_the_first_rows(tmp_path: Path) -> None:
    code, found = graded(write(tmp_path / "in.jsonl", [row(f"q{i}", "B") for i in range(5)]), "--limit", "2")
    assert code == 0 and found["done"] == 2


def test_several_processes_give_the_same_verdicts_in_the_same_order(tmp_path: Path) -> None:
    replies = ["<answer>B</answer>", "A or B", "", "not B but C", "I can't tell", "<think>B"]
    rows = [row(f"q{i}", replies[i % 6], answer="ABCZ"[i % 4]) for i in range(1500)]
    file, outs = write(tmp_path / "in.jsonl", rows), [tmp_path / "one.jsonl", tmp_path / "three.jsonl"]
    found = [graded(file, "--out", str(out), "--workers", n)[1] for out, n in zip(outs, "13", strict=True)]
    assert outs[0].read_bytes() == outs[1].read_bytes() and len(outs[0].read_text().splitlines()) == 1500
    assert found[0]["accuracy"] == found[1]["accuracy"] and found[0]["n_odd"] == found[1]["n_odd"]


def test_a_gold_that_its_benchmark_can_not_have_is_named_and_not_scored(tmp_path: Path) -> None:
    code, found = graded(write(tmp_path / "in.jsonl", [row("a", "B"), row("b", "B", answer="Z")]))
    assert code == 0 and found["n_unscorable"] == 1 and found["n"] == 1 and found["odd"][0]["id"] == "b"


def test_an_id_that_comes_twice_is_said_and_counted_twice(tmp_path: Path) -> None:
    code, found = graded(write(tmp_path / "in.jsonl", [row("a", "B"), row("a", "C")]))
    assert code == 0 and found["n_odd"] == {"id twice": 1} and found["accuracy"] == 0.5


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    script = ("import sys; from pathlib import Path;"
              "from strive.stages.eval.grading.grade_file import grade_file;"
              "from strive.stages.eval.grading.grader import Grader;"
              "grade_file(Path(sys.argv[1]), Grader('strict'), Path(sys.argv[2]));"
              "print([x.split()[1] for x in open('/proc/self/status') if x.startswith('VmHWM')][0])")
    peaks = []
    for count in (500, 8000):
        rows = (row(f"q{i}", f"<think>{'no ' * 200}</think><answer>B</answer>", meta={"video": f"v{i % 300}"})
                for i in range(count))
        file = write(tmp_path / f"{count}.jsonl", rows)
        done = subprocess.run([sys.executable, "-c", script, str(file), str(tmp_path / "out.jsonl")],
                              capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 12, peaks  # MiB; the file grew by 5 MiB and its rows by far more in memory


def test_an_evaluation_can_be_graded_again_from_its_predictions(tmp_path: Path) -> None:
    kept = {**row("a", "<answer>B</answer>"), "score": 1.0, "status": "ok", "times": [0.0], "key": "sha256:0"}
    code, found = graded(write(tmp_path / "predictions.jsonl", [kept]))
    assert code == 0 and found["accuracy"] == 1.0

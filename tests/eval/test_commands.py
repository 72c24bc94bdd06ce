"""`strive eval`, `ask` and `check` as users call them: one JSON object, exit codes, what was seen."""

import json
from pathlib import Path
from typing import Any

import pytest
from eval_jobs import SETS, small_config
from typed import typed

from strive.cache.store import Store
from strive.stages.eval.ask import ask
from strive.stages.reporter import Silent

SMALL = [part for pair in SETS for part in ("--set", pair)]


def strive(*arguments: Any) -> tuple[int, dict[str, Any], str]:
    done = typed(*arguments, "--json")
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_benchmarks_are_listed() -> None:
    code, found, _ = strive("eval", "--list")
    assert code == 0 and {"demo", "videomme"} <= set(found["benchmarks"])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--bench", "videomm", "--data", ".", "--model", "demo", "--run", "r"], "unknown benchmark"),
        (["--bench", "demo"], "no --data, --model, --run"),
        (["--data", ".", "--model", "demo", "--run", "r"], "is a folder and --bench"),
        (["--bench", "demo", "--data", "nowhere", "--model", "demo", "--run", "r"], "not a folder"),
        (["--bench", "demo", "--data", ".", "--model", "demo", "--run", "r", "--control", "blnk"], "eval.control"),
        (["--bench", "demo", "--data", ".", "--model", "demo", "--run", "r", "--videos", "."], "--videos with --bench"),
        (["--bench", "demo", "--data", ".", "--model", "demo", "--run", "r", "--follow-links"], "--follow-links with"),
    ],
)
def test_a_wrong_command_line_is_exit_2_with_the_error_in_the_object(
    arguments: list[str], what: str, tmp_path: Path
) -> None:
    code, found, _ = strive("eval", *arguments)
    assert code == 2 and found["status"] == "failed" and what in found["error"]["what"]


def test_a_dry_run_plans_and_writes_nothing(dataset: Path, tmp_path: Path) -> None:
    code, found, _ = strive("eval", "--data", dataset, "--model", "demo", "--run", tmp_path / "run", "-n", *SMALL)
    assert code == 0 and found["n_total"] == 9 and not (tmp_path / "run").exists()
    assert any("4 uniform frames" in line and "greedy" in line and "strict" in line for line in found["plan"])


def test_eval_reports_failures_apart_then_refuses_another_recipe(dataset: Path, tiny: Path, tmp_path: Path) -> None:
    for name in ("data.jsonl", "a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes((dataset.parent / name).read_bytes())
    (tmp_path / "c.mp4").write_bytes(b"<html>not a video</html>")
    command = ["eval", "--data", tmp_path / "data.jsonl", "--model", tiny, "--run", tmp_path / "run", *SMALL]
    code, found, _ = strive(*command)
    assert (code, found["status"], found["done"], found["n"], found["n_undecodable"]) == (3, "partial", 6, 6, 3)
    assert {one["id"] for one in found["failed"]} == {"c-mc", "c-count", "c-open"} and all(
        one["reason"] for one in found["failed"]
    )
    assert json.loads(Path(found["outputs"]["results"]).read_text())["accuracy"] == found["accuracy"]
    assert Path(found["outputs"]["predictions"]).is_absolute()
    code, found, _ = strive(*command, "--set", "eval.frames=2")
    assert code == 2 and "eval.frames: 4 -> 2" in found["error"]["what"]


def test_ask_says_which_frames_it_saw(dataset: Path, tiny: Path, tmp_path: Path) -> None:
    code, found, _ = strive(
        "ask", dataset.parent / "a.mp4", "Which?", "--option", "red", "--option", "blue", "--model", tiny, *SMALL
    )
    assert code == 0 and found["question_type"] == "multiple_choice" and isinstance(found["reply"], str)
    times = [frame["time"] for frame in found["frames"]]
    assert len(times) == 4 and times == sorted(times) and times[0] >= 0 and times[-1] < 2.0
    assert found["times"] == "exact" and found["answer_status"] in ("ok", "unparsed", "ambiguous", "truncated", "empty")


def test_ask_names_what_is_missing(dataset: Path, tmp_path: Path) -> None:
    code, found, _ = strive("ask", tmp_path / "gone.mp4", "Which?", "--model", "demo")
    assert code == 5 and "no such file" in found["error"]["what"]
    code, found, _ = strive("ask", dataset.parent / "a.mp4", "Which?", "--option", "one", "--model", "demo")
    assert code == 2 and "1 options" in found["error"]["what"]
    code, found, _ = strive("ask", dataset.parent / "a.mp4", "Which?")
    assert code == 2 and "--model" in found["error"]["what"]
    (tmp_path / "page.mp4").write_text("<html></html>")
    code, found, _ = strive("ask", tmp_path / "page.mp4", "Which?", "--model", "demo")
    assert code == 3 and found["status"] == "failed"


def test_ask_refuses_a_control_and_an_unknown_sampler(dataset: Path) -> None:
    command = ("ask", dataset.parent / "a.mp4", "Which?", "--model", "demo", "-n", "--set")
    code, found, _ = strive(*command, "eval.control=blank")
    assert code == 2 and "eval.control is blank" in found["error"]["what"]
    code, found, _ = strive(*command, "eval.sampler=best")
    assert code == 2 and "eval.sampler 'best'" in found["error"]["what"]


def test_ask_draws_with_the_temperature_and_seed_that_are_set(dataset: Path, tiny: Path, shared_store: Store) -> None:
    def reply(*sets: str) -> str:
        config = small_config(*sets)
        return ask(dataset.parent / "a.mp4", "Which?", [], "", str(tiny), config, shared_store, Silent()).reply

    greedy, hot, other = reply(), reply("eval.temperature=5"), reply("eval.temperature=5", "eval.seed=1")
    assert len({greedy, hot, other}) == 3
    assert hot == reply("eval.temperature=5") and greedy == reply("eval.seed=1")


def test_check_exits_0_2_or_3(dataset: Path, tmp_path: Path) -> None:
    code, found, _ = strive("check", dataset)
    assert code == 0 and found["samples"] == 9 and found["videos"] == 3
    (tmp_path / "bad.jsonl").write_text(dataset.read_text() + '{"id": "x"}\n')
    code, found, _ = strive("check", tmp_path / "bad.jsonl", "--videos", dataset.parent)
    assert code == 2 and found["problems"][0]["row"] == 10 and "cannot be used" in found["error"]["what"]
    (tmp_path / "data.jsonl").write_text(dataset.read_text())
    code, found, _ = strive("check", tmp_path / "data.jsonl")
    assert code == 3 and len(found["failed"]) == 9
    code, found, _ = strive("check", dataset, "--against", dataset)
    assert code == 3 and len(found["overlap"]) == 3

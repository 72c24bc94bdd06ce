"""`strive train` as a user runs it: real videos, every stage, one broken file, the same command again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typed import typed
from videos import make_video

SETTINGS = {
    "extract.min_frames": 8, "extract.short_side": 48, "score.scorer": "hash", "variants.frames": 4, "train.steps": 2,
    "train.prompts_per_step": 2, "train.max_new_tokens": 4, "train.max_pixels": 3136, "train.min_pixels": 784,
    "train.checkpoint_every": 1, "train.threads": 1, "eval.frames": 4, "eval.max_new_tokens": 4,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos, one of them no video at all, and a question about each."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "videos").mkdir()
    for number in range(2):
        make_video(folder / "videos" / f"v{number}.mp4", numbers=range(number * 50, number * 50 + 30))
    (folder / "videos" / "v2.mp4").write_bytes(b"this is not a video")
    rows = [{"id": f"q{i}", "video": f"v{i}.mp4", "question": "What is it?", "options": None, "answer": "red",
             "question_type": "open"} for i in range(3)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "eval.jsonl").write_text("".join(json.dumps(rows[i]) + "\n" for i in (0, 2)))
    return folder


def command(world: Path, run: Path, *more: str) -> list[str]:
    sets = [part for key, value in SETTINGS.items() for part in ("-s", f"{key}={value}")]
    return [sys.executable, "-m", "strive.cli", "train", "--data", str(world / "data.jsonl"), "--videos",
            str(world / "videos"), "--run", str(run), *sets, *more]


def strive(arguments: list[str], code: int) -> dict[str, Any]:
    done = typed(*arguments[3:], "--json", timeout=300)  # what follows `python -m strive.cli`
    assert done.returncode == code, done.stderr
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["command"] == "train"
    return found


def test_from_videos_to_a_policy_and_again(world: Path, tmp_path: Path, qwen25: Path) -> None:
    arguments = command(world, tmp_path / "run", "--model", str(qwen25), "--eval-data", str(world / "eval.jsonl"))
    plan = strive([*arguments, "--dry-run"], 0)
    assert any("2 of 3 questions" in line for line in plan["plan"])
    assert any("2 steps" in line for line in plan["plan"]) and not (tmp_path / "run").exists()
    first = strive(arguments, 3)
    assert (first["status"], first["done"], first["step"], first["resumed_from"]) == ("partial", 2, 2, None)
    failed, measured = first["failed"]
    assert measured["id"] == "q2" and measured["reason"].startswith("eval: ")
    assert failed["id"] == "q2" and "decode" in failed["reason"].lower() or "video" in failed["reason"].lower()
    assert Path(first["outputs"]["policy"]).is_absolute() and Path(first["outputs"]["best"]).is_dir()
    assert first["metrics"]["eval_n"] == 1
    again = strive(arguments, 3)
    assert (again["done"], again["cached"], again["metrics"]) == (0, 2, first["metrics"])


def test_sigterm_and_a_time_limit_end_with_143_and_the_same_command_goes_on(
    world: Path, tmp_path: Path, qwen25: Path
) -> None:
    arguments = command(world, tmp_path / "run", "--model", str(qwen25))
    child = subprocess.Popen([*arguments, "-s", "train.steps=2000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env=dict(os.environ))
    ledger, deadline = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 120
    while not ledger.is_file():
        assert child.poll() is None and time.monotonic() < deadline, child.communicate()
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, talk = child.communicate(timeout=60)
    assert child.returncode == 143 and "Run the same command again to continue" in talk
    limited = strive([*arguments, "-s", "train.steps=2000", "--max-time", "1s"], 143)
    assert "time limit" in limited["error"]["what"]


def test_words_for_what_is_wrong(world: Path, tmp_path: Path, qwen25: Path) -> None:
    run = tmp_path / "run"
    assert "not a time" in strive(command(world, run, "--model", "x", "--max-time", "soon"), 2)["error"]["what"]
    assert strive(command(world, run, "--model", "/no/such/model", "--dry-run"), 5)["error"]["do"]
    (tmp_path / "bad.jsonl").write_text('{"id": "q0"}\n')
    for file, code in (("bad.jsonl", 2), ("gone.jsonl", 5)):
        more = ("--model", "demo", "--eval-data", str(tmp_path / file), "--dry-run")
        assert file in strive(command(world, run, *more), code)["error"]["what"]
    forced = command(world, qwen25.parent, "--model", str(qwen25), "--force", "--dry-run")
    assert "lies inside" in strive(forced, 2)["error"]["what"]
    wrong = strive(command(world, run, "--model", "demo", "-s", "train.loss=dap", "--dry-run"), 2)
    assert "dapo" in wrong["error"]["do"]
    assert not (run / "metrics.jsonl").exists()


def test_a_changed_setting_is_refused_by_the_plan_already(world: Path, tmp_path: Path, qwen25: Path) -> None:
    arguments = command(world, tmp_path / "run", "--model", str(qwen25))
    strive(arguments, 3)
    told = strive([*arguments, "-s", "train.seed=5", "--dry-run"], 2)["error"]
    assert "train.seed: 0 -> 5" in told["what"]


def test_more_questions_a_step_than_there_are_is_refused_by_the_plan(world: Path, tmp_path: Path, qwen25: Path) -> None:
    arguments = command(world, tmp_path / "run", "--model", str(qwen25), "-s", "train.prompts_per_step=40", "--dry-run")
    assert "usable bundles" in strive(arguments, 5)["error"]["what"]


@pytest.mark.slow
def test_torchrun_starts_the_command_line_and_one_process_talks(world: Path, tmp_path: Path, qwen25: Path) -> None:
    _, _, _, *rest = command(world, tmp_path / "run", "--model", str(qwen25))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port",
                str(29500 + os.getpid() % 2000), "-m", "--", "strive.cli", *rest]
    done = subprocess.run([*launcher, "--json"], capture_output=True, text=True, timeout=300)
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["command"], found["step"], found["done"]) == ("train", 2, 2), done.stderr
    assert (tmp_path / "run" / "policy" / "model.safetensors").is_file()

"""Hand-written questions on real footage go through every stage by the command line that users type."""

import json
from pathlib import Path
from typing import Any

from real_footage import real_videos
from typed import typed

QUESTIONS = Path(__file__).parent / "data" / "real" / "questions.jsonl"
DEMO = ("--preset", "demo", "--json")


def strive(*arguments: str | Path) -> dict[str, Any]:
    """Run one command and return its JSON object; any exit code but 0 fails with what was said."""
    done = typed(*arguments, *DEMO, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_real_footage_through_every_stage(tmp_path: Path) -> None:
    videos = real_videos(tmp_path / "videos")
    data = ("--data", QUESTIONS, "--videos", videos)
    count = len(QUESTIONS.read_text().splitlines())
    assert strive("extract", *data)["done"] == 2
    assert strive("score", *data)["done"] == count
    assert strive("variants", *data)["done"] == count
    again = strive("variants", *data)
    assert (again["done"], again["cached"]) == (0, count)
    kept = videos.rename(tmp_path / "elsewhere")  # once there are bundles, training needs no videos
    run = tmp_path / "run"
    strive("train", *data, "--run", run, "--set", "train.steps=2", "--set", "train.prompts_per_step=2")
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in metrics] == [1, 2] and all(row["grad_norm"] >= 0 for row in metrics)
    kept.rename(videos)
    found = strive("eval", *data, "--model", run, "--run", tmp_path / "eval")
    predictions = [json.loads(line) for line in (tmp_path / "eval" / "predictions.jsonl").read_text().splitlines()]
    assert len(predictions) == count == found["done"] and 0 <= found["accuracy"] <= 1
    assert all(len(row["times"]) == 8 and row["times"] == sorted(row["times"]) for row in predictions)
    sheet = tmp_path / "sheet.png"
    strive("inspect", "bikes-01", *data, "--out", sheet)
    assert sheet.read_bytes().startswith(b"\x89PNG")

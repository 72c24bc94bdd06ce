"""The speed benchmarks run, on a micro model: the training step without TRL, and questions that share a prefill."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"
ASKED = ["--frames", "2", "--generations", "2", "--tokens", "4", "--steps", "1", "--threads", "1"]


@pytest.mark.slow
def test_the_training_step_is_measured_and_printed_as_one_object() -> None:
    script = str(BENCHMARKS / "train_step.py")
    done = subprocess.run([sys.executable, script, "--model", "micro", "--no-trl", "--json", *ASKED],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert set(row) == {"frames", "prompt_tokens", "generations", "ratio", "rss_ratio", "ours", "trl", "floor"}
    assert (row["frames"], row["prompt_tokens"], row["generations"]) == (2, 2 * 18 + 22, 2)
    assert row["trl"] is None and row["ratio"] is None and row["rss_ratio"] is None
    ours, floor = row["ours"], row["floor"]
    assert ours["completion_tokens"] == 2 * 4 and ours["encoder_calls"] == 1 + ours["steps"]
    assert 0 < ours["rollout_s"] < ours["step_s"] and 0 < ours["update_s"] < ours["step_s"]
    assert 0 < ours["peak_rss_mb"] < 2000
    assert floor["step_s"] > 0 and {"vision_s", "prompt_s", "decode_s", "completions_s"} < set(floor)


@pytest.mark.slow
def test_shared_questions_are_measured_against_one_at_a_time_and_answer_the_same() -> None:
    asked = ["--videos", "2", "--questions", "3", "--frames", "16", "--tokens", "3", "--repeats", "1"]
    script = str(BENCHMARKS / "eval_throughput.py")
    done = subprocess.run([sys.executable, script, "--model", "micro", "--json", *asked],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["same_answers"] is True and row["ratio"] > 1
    assert row["tokens"]["heads"] + row["tokens"]["tails"] < row["tokens"]["prompts"] / 2
    assert 6 <= row["tokens"]["replies"] <= 18 and 0 < row["floor"]["seconds"] < row["shared"]["seconds"]
    for way in ("shared", "alone", "frames_kept"):
        assert row[way]["questions_per_s"] > 0

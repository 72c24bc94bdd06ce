"""The training-step benchmark runs: a micro model through our engine and through the floor, without TRL."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "benchmarks" / "train_step.py"
ASKED = ["--frames", "2", "--generations", "2", "--tokens", "4", "--steps", "1", "--threads", "1"]


def test_the_training_step_is_measured_and_printed_as_one_object() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--model", "micro", "--no-trl", "--json", *ASKED],
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

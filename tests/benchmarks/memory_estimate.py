"""Prints, as docs/memory.md shows it, the estimated and the measured peak memory of training steps on the CPU.

    python tests/benchmarks/memory_estimate.py

Each step runs in a process of its own, one warm-up and one more: resident memory at its peak minus that after imports.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import train_step_model
from train_step_shape import Shape

from strive.configs.run_stages import TrainConfig
from strive.stages.train.estimate.estimate import Estimate, estimate
from strive.stages.train.estimate.model_shape import read_config
from strive.stages.train.estimate.step_shape import StepShape, ViewShape

WORKER = Path(__file__).parent / "train_step_ours.py"
MEBIBYTE = 1 << 20
MODELS = {"benchmark": "benchmark, 31 M", "other": "another, 28 M"}
train_step_model.TEXT["other"] = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12,
                                  "num_attention_heads": 6, "num_key_value_heads": 3}
train_step_model.VISION["other"] = {"hidden_size": 128, "intermediate_size": 256, "depth": 4, "num_heads": 2}


@dataclass(frozen=True)
class Case:
    """One step: `frames` images, `generations` completions of `tokens` tokens, the tower trainable or frozen."""

    model: str
    frames: int
    generations: int
    tokens: int
    vision: str


CALIBRATED = Case("benchmark", 16, 8, 64, "trainable")
CASES = (CALIBRATED, Case("benchmark", 64, 8, 64, "trainable"), Case("benchmark", 16, 8, 64, "frozen"),
         Case("benchmark", 64, 8, 64, "frozen"), Case("benchmark", 4, 2, 8, "trainable"),
         Case("other", 32, 4, 128, "trainable"))


def shape_of(case: Case, folder: Path) -> Shape:
    """The worker's argument."""
    return Shape(str(folder), case.frames, case.generations, case.tokens, steps=1, threads=1, vision=case.vision)


def measured_bytes(case: Case, folder: Path) -> int:
    """Peak of a fresh process."""
    answer = folder / f"{case.frames}-{case.vision}.json"
    subprocess.run([sys.executable, str(WORKER), shape_of(case, folder).to_json(), str(answer)], check=True,
                   timeout=3600, capture_output=True)
    return int(json.loads(answer.read_text("utf-8"))["peak_rss_mb"]) * MEBIBYTE


def estimated(case: Case, folder: Path) -> Estimate:
    """From the model's config."""
    train = TrainConfig(rollouts=case.generations, prompts_per_step=1, max_new_tokens=case.tokens,
                        freeze_vision=case.vision == "frozen", dtype="float32", device="cpu")
    view = ViewShape(case.frames * 64, case.frames * 16, 64.0, 0)  # 112 x 112: 8 x 8 patches, 4 x 4 tokens
    step = StepShape(1, 1, case.generations, shape_of(case, folder).prompt_tokens, case.tokens, view)
    return estimate(read_config(str(folder)), train, step, "cpu")


def row(case: Case, folder: Path) -> str:
    """A row of the table."""
    found, peak = estimated(case, folder), measured_bytes(case, folder)
    note = " (calibrated on)" if case == CALIBRATED else ""
    return (f"| {MODELS[case.model]} | {case.frames} | {shape_of(case, folder).prompt_tokens:,} | {case.generations} x "
            f"{case.tokens} | {case.vision} | {found.peak_bytes / MEBIBYTE:,.0f} | {peak / MEBIBYTE:,.0f} | "
            f"{found.peak_bytes / peak - 1:+.1%}{note} |\n")


def main() -> None:
    """All cases, a row as soon as it is measured."""
    sys.stdout.write("| model | frames | prompt tokens | completions | vision | estimated MiB | measured MiB | off by "
                     "|\n|---|---|---|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as place:
        for size in MODELS:
            train_step_model.build(Path(place) / size, size)
        for case in CASES:
            sys.stdout.write(row(case, Path(place) / case.model))
            sys.stdout.flush()


if __name__ == "__main__":
    main()

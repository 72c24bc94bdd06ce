"""Real bundles and run folders, small, in the formats that the stages write."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strive.configs.data_stages import VariantsConfig
from strive.stages.bundle.images import encode
from strive.stages.bundle.reader import Bundle
from strive.stages.bundle.writer import write_bundle
from strive.stages.frames.frameset import FrameSet
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Sample
from strive.stages.views.build import build_views

TILES = np.array([[x, y, x + 0.6, y + 0.6] for y in (0, 0.2, 0.4) for x in (0, 0.2, 0.4)])


def colour_of(index: int) -> tuple[int, int, int]:
    """A colour that says which of 64 frames this is, far from the others after JPEG."""
    return (64 + 48 * (index % 4), 64 + 48 * (index // 4 % 4), 40 + 64 * (index // 16 % 4))


def bundle_bytes(question: str = "What happens to the ball?", answer: str = "B", frames: int = 8, pool: int = 40,
                 sample_id: str = "q1", options: tuple[str, ...] = ("it falls", "it rolls"),
                 **variants: Any) -> bytes:
    """A bundle of 40 frames of one colour each, 10 s apart from 0.5 s on, 96 × 64 pixels; `variants`: settings."""
    sample = Sample(sample_id, "ball.mp4", question, options, answer, "multiple_choice")
    times = 0.5 + 10.0 * np.arange(pool)
    images = [encode(np.full((64, 96, 3), colour_of(i), np.uint8)) for i in range(pool)]
    kept = FrameSet(times, np.arange(pool), np.tile(np.int32([64, 96]), (pool, 1)), images, {"codec": "jpeg"})
    rng = np.random.default_rng(3)
    raw = rng.normal(size=pool).astype(np.float32)
    tiles = rng.normal(size=(pool, 9)).astype(np.float32)
    meta = {"scorer": {"scorer": "clip", "model": "demo"}, "text": {}}
    scores = Scores(raw, zscore(raw), times, TILES, tiles, meta)
    config = VariantsConfig(frames=frames, **variants)
    views = build_views(sample.blind(), scores, kept.sizes, config)
    return write_bundle(sample, kept, scores, views, config, "ab" * 32)


@pytest.fixture
def make_bundle() -> Callable[..., Bundle]:
    """Makes bundles, with the arguments of `bundle_bytes`."""
    return lambda **more: Bundle.open(bundle_bytes(**more))


def metrics_row(step: int, **more: Any) -> dict[str, Any]:
    """One line of metrics.jsonl with every field that design.md names."""
    return {
        "step": step, "loss": 0.01 * (-1) ** step, "reward_mean": 0.5, "reward_std": 0.4, "accuracy": 0.4 + 0.01 * step,
        "format_rate": 0.9, "frac_zero_std": 0.2, "frac_zero_std_accuracy": 0.25, "frac_zero_std_per_variant": 0.6,
        "adv_var_within": 0.5, "adv_var_between": 0.3, "kl": 0.001 * step, "entropy": 0.8, "clip_frac": 0.0,
        "grad_norm": 0.4, "lr": 1e-4, "completion_len_mean": 14.0, "rollout_s": 0.3, "update_s": 0.2, "step_s": 0.5,
        "visual_tokens": 512, "encoder_calls": 32, "peak_rss_bytes": 10**9, **more,
    }


def rollout_row(step: int, rank: str, **more: Any) -> dict[str, Any]:
    """One line of rollouts.jsonl as training writes it."""
    reward = 1.0 if rank == "best" else 0.1
    return {
        "step": step, "rank": rank, "id": "q1", "variant": 1, "gen": 0, "question": "What happens to the ball?",
        "gold": "B", "reply": "<think>it rolls</think><answer>B</answer>", "finished": True,
        "tokens": 9,
        "reward": reward, "rewards": {"accuracy": float(reward == 1.0), "format": 1.0}, "advantage": reward - 0.5,
        "group_size": 8, "group_top": 5, **more,
    }


CONFIG = """model: demo  # preset demo
extract:
  fps: 1.0  # default
variants:
  count: 4  # recipe strive
  frames: 8  # preset demo
train:
  rollouts: 8  # default
  learning_rate: 0.0001  # --set
  rewards: {accuracy: 0.9, format: 0.1}  # default
  seed: 0  # default
"""


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def train_run(tmp_path: Path) -> Path:
    """A training run of 30 steps."""
    run = tmp_path / "first-run"
    run.mkdir()
    (run / "config.yaml").write_text(CONFIG, "utf-8")
    (run / "run.json").write_text(json.dumps({"format": 1, "samples": 12, "data": "sha256:0123456789"}), "utf-8")
    write_lines(run / "metrics.jsonl", [metrics_row(step) for step in range(1, 31)])
    write_lines(run / "rollouts.jsonl", [rollout_row(30, "best"), rollout_row(30, "worst", reply="<answer>A</answer>")])
    return run

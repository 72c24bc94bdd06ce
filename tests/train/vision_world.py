"""What the tests of kept vision features share: a job that keeps them, its policy, examples over them, a comparison."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import FAMILIES, make_tiny_model
from training_world import Notes
from training_world import make_job as job_with

from strive.cache.store import Artefact, Store
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train.engine.rollout import Example
from strive.stages.train.job import TrainJob
from strive.stages.train.questions.examples import Examples
from strive.stages.train.vision.cache import STAGE
from strive.stages.train.vision.plan import open_cache
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.policy import Policy

MADE: dict[str, Path] = {}
VIEWS = 5 * 4  # questions x variants of `make_job`
SHOWN = [*((family, "video", "float32") for family in FAMILIES), ("qwen3_vl", "video", "bfloat16"),
         ("internvl", "video", "bfloat16"), ("qwen2_5_vl", "images", "float32"), ("qwen3_vl", "repeat", "bfloat16")]


def make_job(folder: Path, model: Path | str, **changes: Any) -> TrainJob:
    """A job that keeps features."""
    return job_with(folder, model, **{"train__vision_cache": "auto", **changes})


def loaded(job: TrainJob, model: Path | None = None, **options: Any) -> Policy:
    """The job's policy, its tower frozen."""
    train_config = job.config.train
    settings = {"trainable": True, "max_pixels": train_config.max_pixels, "min_pixels": train_config.min_pixels,
                "frame_pairing": train_config.frame_pairing, "dtype": train_config.dtype}
    return load_policy(str(model or job.model), **{**settings, **options})


def examples(job: TrainJob, policy: Policy, notes: Notes | None = None, cache_bytes: int = 1,
             prompt: str = "think_answer") -> Examples:
    """Examples over kept features, with room for one question in memory unless told otherwise."""
    bundles = dict(job.bundles)
    vision = open_cache(policy, bundles, job.config.train, job.run, notes or Notes())
    assert vision is not None
    return Examples(policy, bundles, PROMPT_FORMATS[prompt], job.config.train, cache_bytes, vision)


def store_of(job: TrainJob) -> Store:
    return Store(job.run.parent / "cache")


def kept(job: TrainJob) -> list[Artefact]:
    return list(store_of(job).entries(STAGE))


def assert_same_example(one: Example, two: Example) -> None:
    """Equal prompts and bit-equal features."""
    for left, right in zip(one.views, two.views, strict=True):
        for name in ("input_ids", "position_ids", "mm_token_type_ids", "grid_thw"):
            assert torch.equal(getattr(left.inputs, name), getattr(right.inputs, name)), name
        assert left.inputs.next_position == right.inputs.next_position
        assert left.inputs.visual_tokens == right.inputs.visual_tokens and left.inputs.extra == right.inputs.extra
        assert left.features is not None and right.features is not None
        levels = [(left.features.tokens, right.features.tokens),
                  *zip(left.features.deepstack, right.features.deepstack, strict=True)]
        for mine, yours in levels:
            assert mine.dtype == yours.dtype and torch.equal(mine, yours)


def model_of(folders: pytest.TempPathFactory, family: str) -> Path:
    """A tiny model of the family, made when it is first asked for."""
    if family not in MADE:
        MADE[family] = make_tiny_model(folders.mktemp("models") / family, family)
    return MADE[family]

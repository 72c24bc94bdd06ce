"""The estimate of a step's memory: parameters, saved activations and live peaks as counted, fields, warning, docs."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from live_bytes import LiveBytes, SavedBytes
from tiny_models import FAMILIES, make_tiny_model
from training_world import make_job, small_config

from strive.configs.errors import MissingError
from strive.configs.run_stages import TrainConfig
from strive.stages.tasks.sample import Sample
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.engine.prefix_engine import PrefixEngine
from strive.stages.train.engine.rollout import Example, Shown, collect
from strive.stages.train.estimate.activations import PRECISIONS, key_value_bytes, stack_bytes
from strive.stages.train.estimate.estimate import Estimate, estimate, of_run, setup_of
from strive.stages.train.estimate.model_shape import ModelShape, config_folder, read_config, shape_of
from strive.stages.train.estimate.peak_memory import (
    completion_activations,
    phases,
    prefix,
    prefix_kv,
    vision_activations,
)
from strive.stages.train.estimate.step_shape import StepShape, ViewShape, view_shape
from strive.stages.train.estimate.table import table
from strive.stages.train.objective.advantages import compute
from strive.stages.train.plan import plan_lines
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.policy import Policy

AREA = 112 * 112
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("estimated") / request.param, request.param)


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough that a few kilobytes of odds and ends do not count."""
    return make_tiny_model(tmp_path_factory.mktemp("larger") / "model", hidden=128, layers=6, vision_hidden=64,
                           vision_depth=3)


def policy_of(folder: Path, train: TrainConfig, trainable: bool = True) -> Policy:
    return load_policy(str(folder), device="cpu", dtype=train.dtype, max_pixels=AREA, min_pixels=784,
                       trainable=trainable, freeze_vision=train.freeze_vision, lora_rank=train.lora_rank,
                       attention=train.attention)


def shown(policy: Policy, frames: int, seed: int = 0) -> Shown:
    clip = np.random.default_rng(seed).integers(0, 256, (frames, 112, 112, 3), dtype=np.uint8)
    times = np.arange(frames, dtype=np.float64)
    return Shown(policy.encode_view([clip], times, "What colour is it?"), None, times)


def step_shape(policy: Policy, views: list[Shown], rows: int, new_tokens: int) -> StepShape:
    """What these views are, counted."""
    times = views[0].times
    view = replace(view_shape(policy.core.config, len(times), (112, 112), 784, AREA),
                   tokens=views[0].inputs.visual_tokens)
    return StepShape(len(views), 1, rows, len(views[0]), new_tokens, view)


def test_parameters_are_counted_exactly_without_weights(family: Path, tmp_path: Path) -> None:
    alone = tmp_path / "config only"
    alone.mkdir()
    shutil.copy(family / "config.json", alone)
    shape = shape_of(read_config(str(alone)))
    policy = policy_of(family, TrainConfig())
    assert shape.total == sum(p.numel() for p in policy.core.parameters())
    assert shape.vision == sum(p.numel() for p in policy.adapter.tower(policy.core).parameters())
    tuned = policy_of(family, TrainConfig(lora_rank=4))
    assert shape.lora_parameters(4) == sum(p.numel() for p in tuned.model.parameters() if p.requires_grad)


def test_a_model_without_config_is_named(tmp_path: Path) -> None:
    for absent in (str(tmp_path), "nobody/has-this-model"):
        with pytest.raises(MissingError):
            config_folder(absent)


@pytest.mark.parametrize(("dtype", "rank"), [("float32", 0), ("bfloat16", 0), ("mixed", 0), ("float32", 8),
                                             ("bfloat16", 8), ("mixed", 8)])
def test_what_a_prompt_keeps_for_backward_is_what_autograd_saves(larger: Path, dtype: Any, rank: int) -> None:
    train = TrainConfig(dtype=dtype, lora_rank=rank)
    policy = policy_of(larger, train)
    view = shown(policy, 8)
    features = policy.encode_vision([view.inputs])
    with SavedBytes(policy.model.parameters()) as saved:
        policy.prefill([view.inputs], features)
    setup = setup_of(shape_of(policy.core.config), train, step_shape(policy, [view], 2, 8), "cpu", PRECISIONS[dtype])
    keys = prefix_kv(setup, len(view)) if dtype != "mixed" else setup.model.decoder.depth * key_value_bytes(
        setup.model.decoder, setup.precision) * len(view)  # as rotated they are held beside the graph
    assert prefix(setup, len(view)) + keys == pytest.approx(saved.total, rel=0.03)


def test_what_a_prompt_keeps_is_right_for_every_family(family: Path) -> None:
    policy = policy_of(family, TrainConfig(dtype="float32"))
    view = shown(policy, 8)
    features = policy.encode_vision([view.inputs])
    with SavedBytes(policy.model.parameters()) as saved:
        policy.prefill([view.inputs], features)
    decoder = shape_of(policy.core.config).decoder
    per_token = stack_bytes(decoder, PRECISIONS["float32"], "full")
    per_token += decoder.depth * key_value_bytes(decoder, PRECISIONS["float32"])
    assert per_token * len(view) == pytest.approx(saved.total, rel=0.03)


def test_what_a_tower_in_training_keeps_is_what_autograd_saves(family: Path) -> None:
    train = TrainConfig(dtype="float32", freeze_vision=False)
    policy = policy_of(family, train)
    view = shown(policy, 8)
    with SavedBytes(policy.model.parameters()) as saved:
        policy.encode_vision([view.inputs])
    setup = setup_of(shape_of(policy.core.config), train, step_shape(policy, [view], 2, 8), "cpu",
                     PRECISIONS["float32"])
    assert vision_activations(setup) == pytest.approx(saved.total, rel=0.15)


@pytest.mark.parametrize("rows", [2, 8])
def test_what_completions_keep_is_what_autograd_saves(larger: Path, rows: int) -> None:
    train = TrainConfig(dtype="float32")
    policy = policy_of(larger, train)
    view = shown(policy, 16)
    leaves = policy.prefill([view.inputs], policy.encode_vision([view.inputs])).detached()
    setup = setup_of(shape_of(policy.core.config), train, step_shape(policy, [view], rows, 32), "cpu",
                     PRECISIONS["float32"])
    completions = [torch.arange(32) for _ in range(setup.rows)]
    with SavedBytes([*policy.model.parameters(), *leaves.keys, *leaves.values]) as saved:
        policy.score(leaves, [0] * setup.rows, completions)
    assert setup.rows == rows
    log_probs = 4 * setup.rows * 32 * setup.model.vocabulary
    assert completion_activations(setup) + log_probs == pytest.approx(saved.total, rel=0.03)


@pytest.mark.parametrize(("changes", "views"), [
    ({"freeze_vision": False}, 1), ({"freeze_vision": True}, 3), ({"gradient_checkpointing": True}, 2),
    ({"lora_rank": 8}, 2), pytest.param({"tokens_per_microbatch": 400}, 3, marks=pytest.mark.slow),
    pytest.param({"dtype": "bfloat16", "lora_rank": 8}, 1, marks=pytest.mark.slow),
    pytest.param({"dtype": "bfloat16", "tokens_per_microbatch": 400}, 3, marks=pytest.mark.slow),
    ({"dtype": "mixed", "lora_rank": 8}, 2), ({"attention": "eager"}, 1),
])
def test_the_peak_of_a_step_is_as_estimated(larger: Path, changes: dict[str, Any], views: int) -> None:
    train = TrainConfig(**{"rollouts": 4, "max_new_tokens": 48, "min_new_tokens": 48, "dtype": "float32",
                           "device": "cpu"} | changes)
    live = LiveBytes()
    with live:
        policy, shape = steps_of(larger, train, views, live)
    setup = setup_of(shape_of(policy.core.config), train, shape, "cpu", PRECISIONS[train.dtype])
    assert max(sum(parts.values()) for parts in phases(setup).values()) == pytest.approx(live.peak, rel=0.06)


def steps_of(folder: Path, train: TrainConfig, views: int, live: LiveBytes) -> tuple[Policy, StepShape]:
    """Two steps of the engine, the optimiser's moments there in the second; the peak is counted from the first on."""
    policy = policy_of(folder, train)
    for parameter in policy.model.parameters():
        live.count(parameter)
    if train.gradient_checkpointing:
        policy.recompute()
    engine = PrefixEngine(policy, Optimizer(policy.model.named_parameters(), train), train)
    made = [shown(policy, 16, seed) for seed in range(views)]
    shape = step_shape(policy, made, train.rollouts, train.max_new_tokens)
    if policy.freeze_vision:
        made = [Shown(replace(one.inputs, pixel_values=None), policy.encode_vision([one.inputs])[0], one.times)
                for one in made]
    examples = [Example(Sample(f"q{i}", "v.mp4", "", None, "", "open"), (one,)) for i, one in enumerate(made)]
    live.peak = 0
    for step in range(2):
        rows = collect(engine, examples, train.rollouts, seed=step)
        rewards = [float(row.gen_id % 2) for row in rows]
        advantages = compute(rewards, [r.sample_id for r in rows], [r.variant_id for r in rows], train)
        engine.update(rows, advantages, step)
    return policy, shape


def test_parts_sum_to_the_peak_and_survive_json(qwen25: Path) -> None:
    found = of_run(small_config(), str(qwen25))
    assert sum(found.parts.values()) == found.peak_bytes == max(found.phase_bytes.values())
    told = json.loads(json.dumps(found.to_json()))
    assert told["peak_bytes"] == found.peak_bytes and told["total_flops"] == pytest.approx(sum(found.flops.values()))


def test_flops_are_two_for_each_weight_and_token(qwen25: Path) -> None:
    """A prompt without attention to speak of: one token, one view."""
    model: ModelShape = shape_of(read_config(str(qwen25)))
    shape = StepShape(1, 1, 2, 1, 1, ViewShape(4, 1, 4.0, 0))
    found = estimate(read_config(str(qwen25)), TrainConfig(rollouts=2), shape, "cpu")
    maps = model.decoder.depth * model.decoder.weights
    assert found.flops["prefill"] == pytest.approx(2 * maps, rel=0.02)
    assert found.flops["prefill backward"] == pytest.approx(2 * found.flops["prefill"])
    assert found.flops["decode"] == pytest.approx(2 * 2 * (maps + model.embeddings), rel=0.02)


def test_the_plan_says_what_a_step_takes(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, bundles=2)
    lines = "\n".join(plan_lines(job, 2))
    found = of_run(job.config, job.model)
    assert f"{found.prompt_tokens:,} prompt tokens" in lines and "memory" in lines and "arithmetic" in lines
    assert "warning" not in lines


def test_a_device_that_is_too_small_is_warned_of(qwen25: Path) -> None:
    found: Estimate = of_run(small_config(), str(qwen25))
    assert "train.gradient_checkpointing" in found.lines(found.peak_bytes - 1)[-1]
    assert len(found.lines(found.peak_bytes)) == len(found.lines()) == 3


@pytest.mark.parametrize("frames", [1, 7, 8])
def test_a_view_has_as_many_tokens_as_are_encoded(family: Path, frames: int) -> None:
    policy = policy_of(family, TrainConfig(), trainable=False)
    inputs = shown(policy, frames).inputs
    assert inputs.pixel_values is not None
    found = view_shape(policy.core.config, frames, (112, 112), 784, AREA)
    assert abs(found.tokens - inputs.visual_tokens) <= 1  # LLaVA-OneVision's newline is counted as text
    if inputs.pixel_values.dim() == 2:
        assert found.patches == len(inputs.pixel_values)


def test_the_documented_table_is_what_the_command_prints() -> None:
    assert table() in (DOCS / "memory.md").read_text("utf-8")


@pytest.mark.slow
def test_the_peak_of_a_process_is_within_15_percent() -> None:
    """Resident memory of the benchmark's steps, each in a process of its own: minutes."""
    script = Path(__file__).parents[1] / "benchmarks" / "memory_estimate.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=3600)
    off = [float(found) for found in re.findall(r"([+-][\d.]+)%", done.stdout)]
    assert len(off) == 6 and max(map(abs, off)) <= 15

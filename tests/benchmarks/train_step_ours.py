"""strive's side of the training-step benchmark: the training engine in its own process, its step timed part by part."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from train_step_model import chat, frames_of, question, reward
from train_step_shape import FRAME_SIDE, Clock, PeakMemory, Shape, medians, serve

from strive.configs.run_stages import TrainConfig
from strive.stages.tasks.sample import Sample
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.engine.prefix_engine import PrefixEngine
from strive.stages.train.engine.rollout import Example, Shown, collect
from strive.stages.train.objective.advantages import compute
from strive.stages.vlm.interface import ViewInputs
from strive.stages.vlm.load import load_policy

PARTS = {"encode_vision": "vision_forward_s", "prefill": "prefill_forward_s", "complete": "decode_s",
         "score": "completions_forward_s"}
"""The policy's methods that are timed; each may call the ones before it, whose time is then part of its own."""


class Side:
    """A policy in training with one question, and steps on it."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.clock = shape, Clock()
        frozen = shape.vision == "frozen"
        self.config = TrainConfig(rollouts=shape.generations, prompts_per_step=1, max_new_tokens=shape.tokens,
                                  min_new_tokens=shape.tokens, freeze_vision=frozen, threads=shape.threads,
                                  max_pixels=FRAME_SIDE**2, dtype="float32", device="cpu",
                                  frame_pairing="images")
        self.policy = load_policy(shape.model, device="cpu", dtype="float32", max_pixels=FRAME_SIDE**2,
                                  min_pixels=self.config.min_pixels, trainable=True, freeze_vision=frozen,
                                  frame_pairing="images")
        self.optimizer = Optimizer(self.policy.model.named_parameters(), self.config)
        self.engine = PrefixEngine(self.policy, self.optimizer, self.config)
        self.example = Example(Sample("q", "v.mp4", "", None, "", "open"), (self.shown(),))

    def shown(self) -> Shown:
        """The view; with a frozen tower its features instead of its pixels, as training keeps them."""
        frames = frames_of(self.shape.frames, self.shape.seed)
        times = np.arange(self.shape.frames, dtype=np.float64)
        inputs = self.policy.encode_view([frames], times, question(self.policy.processor))
        check_prompt(self.policy, inputs, frames)
        if self.shape.vision == "trainable":
            return Shown(inputs, None, times)
        return Shown(replace(inputs, pixel_values=None), self.policy.encode_vision([inputs])[0], times)

    def step(self, number: int) -> dict[str, float]:
        """One training step; seconds of the whole and of its parts."""
        self.clock.take()
        start = time.perf_counter()
        rows = collect(self.engine, [self.example], self.shape.generations, seed=number)
        rolled = time.perf_counter()
        rewards = [reward(row.completion.ids.tolist()) for row in rows]
        advantages = compute(rewards, [r.sample_id for r in rows], [r.variant_id for r in rows], self.config)
        update = self.engine.update(rows, advantages, number)
        end = time.perf_counter()
        assert [len(row.completion.ids) for row in rows] == [self.shape.tokens] * self.shape.generations
        assert update.applied and update.rows == self.shape.generations and update.grad_norm > 0
        return {"step_s": end - start, "rollout_s": rolled - start, "update_s": end - rolled} | self.clock.take()

    def watch(self) -> None:
        """Time the parts of a step."""
        for method, part in PARTS.items():
            setattr(self.policy, method, self.clock.timed(part, getattr(self.policy, method)))
        torch.autograd.backward = self.clock.timed("backward_s", torch.autograd.backward)
        self.optimizer.apply = self.clock.timed("optimizer_s", self.optimizer.apply)  # type: ignore[method-assign]


def check_prompt(policy: Any, view: ViewInputs, frames: np.ndarray) -> None:
    """AssertionError unless the view is what the model's own processor makes of the frames as images, as TRL calls it.
    """
    processor = policy.processor
    text = chat(processor, len(frames), question(processor))
    read = processor(text=[text], images=[Image.fromarray(frame) for frame in frames], return_tensors="pt")
    assert torch.equal(read["input_ids"][0], view.input_ids)
    assert torch.equal(read["image_grid_thw"], view.grid_thw)
    assert torch.allclose(read["pixel_values"], view.pixel_values, atol=1e-5)


def measure(shape: Shape) -> dict[str, Any]:
    """Median step time with its parts, and peak memory; after that, if asked, where the time goes by operator."""
    memory = PeakMemory()
    side = Side(shape)
    side.watch()
    steps = [side.step(number) for number in range(1 + shape.steps)]
    peak = round(memory.mb())
    prompt = len(side.example.views[0])
    assert prompt == shape.prompt_tokens, f"a prompt of {prompt} tokens"
    found = medians(steps[1:]) | {
        "peak_rss_mb": peak, "steps": shape.steps, "all_step_s": [round(s["step_s"], 3) for s in steps],
        "setting": f"tokens_per_microbatch={side.config.tokens_per_microbatch}, gradient_checkpointing="
                   f"{side.config.gradient_checkpointing}, float32",
        "vision": shape.vision, "prompt_tokens": prompt, "completion_tokens": shape.generations * shape.tokens,
        "trained_parameters": sum(p.numel() for p in side.optimizer.params.values()),
        "encoder_calls": side.policy.encoder_calls, "version": f"transformers {transformers.__version__}",
    }
    return found | {"profile": operators(side)} if shape.profile else found


def operators(side: Side) -> str:
    """The operators of one more step that take most of its time, their own time alone."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        side.step(1 + side.shape.steps)
    table: str = profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=50)
    return table


if __name__ == "__main__":
    serve(measure)

"""TRL's side of the training-step benchmark: `GRPOTrainer` in its own process, its step timed between its callbacks."""

import tempfile
import time
from typing import Any

import torch
import transformers
import trl
from datasets import Dataset
from PIL import Image
from train_step_model import frames_of, question, reward
from train_step_shape import Clock, PeakMemory, Shape, medians, serve
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Steps(TrainerCallback):
    """Times optimiser steps, from the batch's arrival to the changed weights, without the processor's work.

    TRL runs the image processor inside its step; we encode a view once, before training, so it is left out of both.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.start = clock, 0.0
        self.done: list[dict[str, float]] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """The batch has been loaded."""
        self.clock.take()
        self.start = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """The optimiser has stepped."""
        whole, parts = time.perf_counter() - self.start, self.clock.take()
        step = whole - parts.get("data_s", 0.0)
        self.done.append({"step_s": step, "rollout_s": parts["rollout_s"], "update_s": step - parts["rollout_s"],
                          "data_s": parts.get("data_s", 0.0)})


class Seen:
    """What TRL made: the numbers of prompt and completion tokens of each row."""

    def __init__(self) -> None:
        self.prompts: list[int] = []
        self.replies: list[int] = []

    def score(self, completion_ids: list[list[int]], **_: Any) -> list[float]:
        """The reward function."""
        self.replies += [len(ids) for ids in completion_ids]
        return [reward(ids) for ids in completion_ids]

    def tokens(self, tokenized: Any) -> Any:
        """Note the prompts' lengths when they are token ids."""
        if not isinstance(tokenized, str | list):
            self.prompts += [len(ids) for ids in tokenized["input_ids"]]
        return tokenized


def settings(shape: Shape, folder: str, hidden: list[int]) -> GRPOConfig:
    """The fastest configuration: no checkpointing of activations, no reference, one generation batch for the group."""
    parts = shape.generations // shape.microbatch
    return GRPOConfig(
        output_dir=folder, use_cpu=True, bf16=False, gradient_checkpointing=False, beta=0.0, learning_rate=1e-6,
        lr_scheduler_type="constant", per_device_train_batch_size=shape.microbatch, gradient_accumulation_steps=parts,
        num_generations=shape.generations, max_completion_length=shape.tokens, max_steps=1 + shape.steps,
        generation_kwargs={"min_new_tokens": shape.tokens, "suppress_tokens": hidden}, seed=shape.seed,
        save_strategy="no", report_to="none", logging_strategy="no", disable_tqdm=True,
    )


def dataset(shape: Shape, asked: str) -> Dataset:
    """One question with its frames, as often as there are steps."""
    images = [Image.fromarray(frame) for frame in frames_of(shape.frames, shape.seed)]
    row = {"prompt": [{"role": "user", "content": asked}], "images": images}
    return Dataset.from_list([row] * (1 + shape.steps))


def watched(processor: Any, model: Any, clock: Clock, seen: Seen) -> None:
    """Time what the processor and `generate` do."""
    template = processor.apply_chat_template
    processor.apply_chat_template = clock.timed("data_s", lambda *a, **k: seen.tokens(template(*a, **k)))
    kind = type(processor)
    kind.__call__ = clock.timed("data_s", kind.__call__)
    model.generate = clock.timed("rollout_s", model.generate)


def measure(shape: Shape) -> dict[str, Any]:
    """Median step time, peak memory and what was generated."""
    memory, clock, seen = PeakMemory(), Clock(), Seen()
    processor = AutoProcessor.from_pretrained(shape.model)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(shape.model, dtype="float32", attn_implementation="sdpa")
    model.model.visual.requires_grad_(shape.vision == "trainable")
    hidden = sorted({model.config.image_token_id, model.config.video_token_id, model.config.vision_start_token_id,
                     model.config.vision_end_token_id})
    steps, first = Steps(clock), weights(model)
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(model, seen.score, settings(shape, folder, hidden), dataset(shape, question(processor)),
                              processing_class=processor, callbacks=[steps])
        watched(processor, trainer.model, clock, seen)
        trainer.train()
    check(shape, seen, trainer)
    moved = [not torch.equal(own, before) for own, before in zip(weights(trainer.model), first, strict=True)]
    assert moved == [True, shape.vision == "trainable"], "the weights of text and vision: changed or not"
    parts = shape.generations // shape.microbatch
    return medians(steps.done[1:] or steps.done) | {
        "peak_rss_mb": round(memory.mb()), "steps": shape.steps,
        "all_step_s": [round(step["step_s"], 3) for step in steps.done],
        "setting": f"per_device_train_batch_size={shape.microbatch}, gradient_accumulation_steps={parts}, "
                   "gradient_checkpointing=False, float32, sdpa, no vLLM, no reference",
        "vision": shape.vision, "prompt_tokens": seen.prompts[0], "completion_tokens": shape.generations * shape.tokens,
        "trained_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "version": f"trl {trl.__version__}, transformers {transformers.__version__}",
    }


def weights(model: Any) -> list[torch.Tensor]:
    """Copies of the last weights of the language model and of the first of the tower."""
    return [model.lm_head.weight.detach().clone(), model.model.visual.patch_embed.proj.weight.detach().clone()]


def check(shape: Shape, seen: Seen, trainer: Any) -> None:
    """TRL did the work that the row announces; AssertionError if not."""
    made = (1 + shape.steps) * shape.generations
    assert seen.replies == [shape.tokens] * made, f"{len(seen.replies)} completions, lengths {set(seen.replies)}"
    assert set(seen.prompts) == {shape.prompt_tokens}, f"prompts of {set(seen.prompts)} tokens"
    assert trainer.state.global_step == 1 + shape.steps


if __name__ == "__main__":
    serve(measure)

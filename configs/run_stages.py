"""Schemas of the stages that use a policy: train and eval."""

from typing import Literal

from pydantic import model_validator

from strive.configs.fields import StageConfig, free, result

IMAGE_TOKEN_AREA = 28 * 28


class TrainConfig(StageConfig):
    """GRPO-family reinforcement learning from bundles."""

    steps: int = free(1000, "optimiser steps (may be raised on resume)", ge=1)
    prompts_per_step: int = result(8, "questions per step", ge=1)
    rollouts: int = result(8, "completions per question, split evenly over its variants", ge=1)
    max_new_tokens: int = result(768, "longest completion, in tokens", ge=1)
    temperature: float = result(1.0, "sampling temperature", gt=0)
    top_p: float = result(1.0, "nucleus sampling mass", gt=0, le=1)
    learning_rate: float = result(1e-6, "AdamW learning rate", gt=0)
    warmup_steps: int = result(0, "linear warm-up, then constant", ge=0)
    weight_decay: float = result(0.0, "AdamW weight decay", ge=0)
    grad_clip: float = result(1.0, "largest global gradient norm", gt=0)
    loss: str = result("dapo", "loss: dapo (token mean) or grpo (sequence mean)")
    advantage_scope: Literal["joint", "per_variant"] = result("joint", "what a reward is normalised over")
    advantage_scale: Literal["group", "none"] = result("group", "divide by the group's std, or not (Dr. GRPO)")
    advantage_eps: float = result(1e-4, "added to the std", ge=0)
    advantage_ddof: int = result(1, "1: sample std, 0: population std", ge=0, le=1)
    zero_std: Literal["keep", "drop"] = result("keep", "groups of equal reward: kept in the token count, or dropped")
    inner_epochs: int = result(1, "updates per rollout batch", ge=1)
    kl_beta: float = result(0.0, "weight of the k3 KL to the initial policy", ge=0)
    clip_low: float = result(0.2, "lower clip of the ratio", ge=0, lt=1)
    clip_high: float = result(0.28, "upper clip of the ratio", ge=0)
    rewards: dict[str, float] = result({"accuracy": 0.9, "format": 0.1}, "reward names and their weights")
    prompt_format: str = result("think_answer", "how the question is put and the answer read")
    lora_rank: int = result(0, "0: full fine-tuning; else LoRA through peft", ge=0)
    freeze_vision: bool = result(True, "vision tower not trained")
    max_pixels: int = result(128 * IMAGE_TOKEN_AREA, "most pixels per frame that the model sees", ge=1)
    min_pixels: int = result(4 * IMAGE_TOKEN_AREA, "fewest pixels per frame that the model sees", ge=1)
    max_prompt_tokens: int = result(16384, "longer prompts are a planned, listed skip", ge=1)
    tokens_per_microbatch: int = result(16384, "prompt + completion tokens per forward", ge=1)
    dtype: Literal["auto", "float32", "bfloat16"] = result("auto", "auto: bfloat16 on a GPU, float32 on CPU")
    seed: int = result(0, "seed of order and sampling")
    threads: int = result(0, "CPU threads (0: as many as there are; a resume uses the recorded value)", ge=0)
    logprob_view: Literal["own"] = result("own", "log-probs are computed on the view that the rollout saw")
    device: str = free("auto", "auto, cpu, cuda, mps")
    checkpoint_every: int = free(50, "steps between checkpoints", ge=1)
    keep_checkpoints: int = free(2, "newest checkpoints kept (at least two)", ge=2)
    eval_every: int = free(0, "steps between evaluations of --eval-data (0: at the end only)", ge=0)
    max_bad_rewards: float = free(0.05, "share of unscorable rollouts at which the run stops", ge=0, le=1)

    @model_validator(mode="after")
    def _group_has_two(self) -> "TrainConfig":
        if self.rollouts < 2:
            raise ValueError("train.rollouts must be at least 2: a group of one has no baseline")
        return self


class EvalConfig(StageConfig):
    """How a policy is measured."""

    frames: int = result(32, "frames shown", ge=1, le=4096)
    sampler: str = result("uniform", "which frames are shown")
    max_pixels: int = result(256 * IMAGE_TOKEN_AREA, "most pixels per frame that the model sees", ge=1)
    min_pixels: int = result(4 * IMAGE_TOKEN_AREA, "fewest pixels per frame that the model sees", ge=1)
    max_new_tokens: int = result(1024, "longest completion, in tokens", ge=1)
    temperature: float = result(0.0, "0 is greedy", ge=0)
    protocol: Literal["strict"] = result("strict", "how the answer is read out of the reply")
    prompt_format: str = result("think_answer", "how the question is put")
    control: Literal["none", "text_only", "blank", "swapped"] = result("none", "what is shown instead of the video")
    dtype: Literal["auto", "float32", "bfloat16"] = result("auto", "auto: bfloat16 on a GPU, float32 on CPU")
    seed: int = result(0, "seed of sampling when temperature > 0")
    batch_tokens: int = free(16384, "prompt tokens generated together", ge=1)
    device: str = free("auto", "auto, cpu, cuda, mps")

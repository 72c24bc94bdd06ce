"""Schemas of the stages that use a policy: train and eval."""

from typing import Any, Literal

from pydantic import field_validator, model_validator

from strive.configs.fields import StageConfig, free, result

IMAGE_TOKEN_AREA = 28 * 28

Scope = Literal["joint", "per_variant", "hierarchical", "joint_mean_row_std", "row_mean_joint_std"]


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
    top_k: int = result(0, "sample among the k likeliest tokens only (0: all)", ge=0)
    min_new_tokens: int = result(0, "no end token before this many tokens", ge=0)
    stop: tuple[str, ...] = result((), "texts that end a completion, kept in it")
    loss: str = result("dapo", "objective: dapo, grpo, dr_grpo, bnpo, gspo, cispo or reinforce (docs/objectives.md)")
    advantage_baseline: Literal["mean", "leave_one_out"] = result("mean", "of the group, or of its others (RLOO)")
    advantage_scope: Scope = result("joint", "what a reward is normalised over (docs/advantages.md)")
    advantage_scale: Literal["group", "batch", "none"] = result(
        "group", "divide by the std of the group, of the whole batch, or not (Dr. GRPO)")
    advantage_mix: float = result(0.5, "scope hierarchical: weight of the part within variants", ge=0, le=1)
    advantage_min_std: float = result(0.0, "the std that is divided by is at least this", ge=0)
    advantage_clip: float = result(0.0, "advantages are cut to plus or minus this (0: not)", ge=0)
    advantage_eps: float = result(1e-4, "added to the std", ge=0)
    advantage_ddof: int = result(1, "1: sample std, 0: population std", ge=0, le=1)
    zero_std: Literal["keep", "drop", "resample"] = result(
        "keep", "groups of equal reward: kept in the token count, dropped, or replaced by other questions")
    resample_batches: int = result(10, "zero_std resample: batches drawn for one step before it stops", ge=1)
    pass_rate: tuple[float, float] | None = result(
        None, "train only on questions whose accuracy before training lies strictly between these")
    pass_rate_rollouts: int = result(8, "rollouts per question that measure it", ge=1)
    inner_epochs: int = result(1, "updates per rollout batch", ge=1)
    kl_beta: float = result(0.0, "weight of the KL to the initial policy", ge=0)
    kl_estimator: Literal["k1", "k2", "k3"] = result("k3", "how the KL is estimated from sampled tokens")
    kl_in: Literal["loss", "reward"] = result("loss", "where the KL is charged")
    clip_low: float = result(0.2, "lower clip of the ratio", ge=0, lt=1)
    clip_high: float = result(0.28, "upper clip of the ratio", ge=0)
    clip_dual: float = result(0.0, "dual clip: largest ratio for negative advantages (0: off, usually 3)", ge=0)
    sampled_cap: float = result(0.0, "cap of the weight pi_old / pi_rollout on each token (0: no weight)", ge=0)
    max_gap: float = free(1.0, "mean gap of log-probs, rollout to training, in nats, at which the run stops", gt=0)
    rewards: dict[str, float] = result(
        {"accuracy": 0.9, "format": 0.1}, "reward names (or module:function of yours) and their weights")
    group_rewards: dict[str, float] = result(
        {}, "rewards that look at a whole group (temporal, length_band, or module:function of yours) and their weights")
    temporal_margin: float = result(0.8, "group reward temporal: accuracy in order is compared with this share of the "
                                    "accuracy on the contrast views", ge=0)
    length_band: tuple[int, int] = result((320, 512), "group reward length_band: fewest and most tokens")
    contrast_rollouts: int = result(0, "completions per question on the views of variants.contrast, split evenly over "
                                    "them: generated and scored, never trained on", ge=0)
    anneal: Literal["none", "linear", "cosine", "sigmoid"] = result(
        "none", "how the chance that a variant beyond the first is rolled out falls from 1 to 0 over anneal_steps")
    anneal_steps: int = result(0, "steps until only the first, canonical variant is left (with train.anneal)", ge=0)
    reward_timeout_s: float = free(60.0, "seconds after which a call of your reward counts as failed", gt=0)
    prompt_format: str = result(
        "think_answer", "how the question is put and the answer read (or module:object of yours)")
    time_text: Literal["none", "seconds"] = result("none", "frame times as text, for models without a sense of time")
    frame_pairing: Literal["video", "repeat", "images"] = result(
        "video", "temporal patches of two frames: consecutive ones, each frame with itself, or frames as images")
    lora_rank: int = result(0, "0: full fine-tuning; else LoRA through peft", ge=0)
    freeze_vision: bool = result(True, "vision tower not trained")
    max_pixels: int = result(128 * IMAGE_TOKEN_AREA, "most pixels per frame that the model sees (not families of fixed "
                             "size: InternVL, LLaVA-OneVision)", ge=1)
    min_pixels: int = result(4 * IMAGE_TOKEN_AREA, "fewest pixels per frame that the model sees", ge=1)
    max_prompt_tokens: int = result(16384, "longer prompts are a planned, listed skip", ge=1)
    tokens_per_microbatch: int = result(16384, "prompt + completion tokens per forward", ge=1)
    dtype: Literal["auto", "float32", "bfloat16", "mixed"] = result(
        "auto", "auto: bfloat16 on a GPU, float32 on CPU; mixed: float32 weights under bfloat16 autocast")
    optimizer: Literal["adamw", "adamw_8bit"] = result("adamw", "adamw_8bit: moments in 8 bits (extra 8bit)")
    attention: Literal["auto", "sdpa", "eager"] = result(
        "auto", "kernel of the prefill; auto: sdpa, which runs FlashAttention's kernels on a GPU")
    gradient_checkpointing: bool = result(False, "recompute layers in backward: less memory, a third more time")
    vision_cache: Literal["auto", "off"] = free("auto", "keep what a frozen vision tower makes of each view on disk")
    seed: int = result(0, "seed of order and sampling")
    threads: int = result(0, "CPU threads (0: as many as there are; a resume uses the recorded value)", ge=0)
    logprob_view: Literal["own"] = result("own", "log-probs are computed on the view that the rollout saw")
    device: str = free("auto", "auto, cpu, cuda, mps")
    checkpoint_every: int = free(50, "steps between checkpoints", ge=1)
    keep_checkpoints: int = free(2, "newest checkpoints kept (at least two)", ge=2)
    eval_every: int = free(0, "steps between evaluations of --eval-data (0: at the end only)", ge=0)
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = free(("tensorboard",), "where metrics go too")
    max_bad_rewards: float = free(0.05, "share of unscorable rollouts at which the run stops", ge=0, le=1)

    @model_validator(mode="after")
    def _group_has_two(self) -> "TrainConfig":
        if self.rollouts < 2:
            raise ValueError("train.rollouts must be at least 2: a group of one has no baseline")
        return self

    @field_validator("vision_cache", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        return "off" if value is False else value  # as YAML reads it

    @model_validator(mode="after")
    def _values_fit(self) -> "TrainConfig":
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError(f"train.min_new_tokens = {self.min_new_tokens} is more than train.max_new_tokens")
        if self.pass_rate is not None and not 0 <= self.pass_rate[0] < self.pass_rate[1] <= 1:
            raise ValueError("train.pass_rate must be two shares, the lower first, such as [0, 1] or [0.1, 0.9]")
        if not 0 <= self.length_band[0] <= self.length_band[1]:
            raise ValueError("train.length_band must be two numbers of tokens, the lower first, such as [320, 512]")
        if self.anneal != "none" and self.anneal_steps < 1:
            raise ValueError(f"train.anneal = {self.anneal} needs train.anneal_steps of at least 1")
        if 0 < self.clip_dual <= 1:
            raise ValueError("train.clip_dual must be above 1 (usually 3), or 0 for none")
        return self


class EvalConfig(StageConfig):
    """How a policy is measured."""

    frames: int = result(32, "frames shown; 0 is eval.control=text_only", ge=1, le=4096)
    sampler: str = result("uniform", "which frames: uniform, importance (as variants.sampler and its settings), or a "
                          "sampler by name")
    max_pixels: int = result(256 * IMAGE_TOKEN_AREA, "most pixels per frame that the model sees", ge=1)
    min_pixels: int = result(4 * IMAGE_TOKEN_AREA, "fewest pixels per frame that the model sees", ge=1)
    max_new_tokens: int = result(1024, "longest completion, in tokens", ge=1)
    temperature: float = result(0.0, "0 is greedy", ge=0)
    protocol: Literal["strict", "official", "lmms-eval", "vlmevalkit", "video-r1"] = result(
        "strict", "how a question is put and its reply read: strictly, or as a harness with published numbers does")
    prompt_format: str = result("think_answer", "how the question is put (or module:object of yours)")
    time_text: Literal["none", "seconds"] = result("none", "frame times as text, for models without a sense of time")
    frame_pairing: Literal["video", "repeat", "images"] = result("video", "as train.frame_pairing")
    control: Literal["none", "text_only", "blank", "swapped"] = result("none", "what is shown instead of the video")
    shuffle_frames: bool = result(False, "show the frames in a random order (control: does time matter?)")
    options_shuffled: bool = result(False, "offer the options in a random order (control: does the letter matter?)")
    dtype: Literal["auto", "float32", "bfloat16"] = result("auto", "auto: bfloat16 on a GPU, float32 on CPU")
    seed: int = result(0, "seed of sampling when temperature > 0, of the frames that a sampler draws, of shuffles")
    batch_tokens: int = free(16384, "prompt tokens held together; what questions share counts once", ge=1)
    endpoint: str = free("", "URL of an OpenAI-compatible server that is asked instead of a policy here")
    concurrency: int = free(8, "questions that a server is asked at once", ge=1, le=1024)
    request_timeout_s: float = free(600.0, "seconds until a request to a server is given up", gt=0)
    retries: int = free(6, "further tries of a request that a server could not take", ge=0, le=100)
    device: str = free("auto", "auto, cpu, cuda, mps")

    @model_validator(mode="before")
    @classmethod
    def _no_frames_is_text_only(cls, values: Any) -> Any:
        """`frames: 0` says the control text_only."""
        if not isinstance(values, dict) or str(values.get("frames")) != "0":
            return values
        if values.get("control", "none") not in ("none", "text_only"):
            raise ValueError(f"eval.frames = 0 and eval.control = {values['control']}: no frames are text_only")
        return {**{name: value for name, value in values.items() if name != "frames"}, "control": "text_only"}

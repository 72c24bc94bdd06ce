"""The table of docs/memory.md: what one training step of Qwen2.5-VL needs on a GPU; run as a module, it prints it."""

import sys
from dataclasses import dataclass
from typing import Any

from transformers import Qwen2_5_VLConfig

from strive.configs.run_stages import TrainConfig
from strive.stages.train.estimate.estimate import GIB, Estimate, of_shape
from strive.stages.train.estimate.model_shape import ModelShape, shape_of
from strive.stages.train.estimate.step_shape import TEXT_TOKENS, StepShape, view_shape

CARDS = (24, 40, 80)
FRAMES = (16, 32, 64, 128, 256)
ROLLOUTS, NEW_TOKENS, RANK = 8, 768, 64
BUDGET = 32768
"""Prompt tokens read at once: room for one view of 256 frames."""
FRAME = (224, 448)
"""A frame that fills `train.max_pixels` at its default: 8 x 16 visual tokens for each two frames."""


@dataclass(frozen=True)
class Released:
    """What differs between the released sizes of Qwen2.5-VL."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    vocabulary: int
    tied: bool

    def config(self) -> Any:
        """As in the released config.json."""
        rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
        return Qwen2_5_VLConfig(
            text_config={"hidden_size": self.hidden, "num_hidden_layers": self.layers,
                         "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads,
                         "intermediate_size": self.mlp, "vocab_size": self.vocabulary, "rope_parameters": rope,
                         "rms_norm_eps": 1e-6, "tie_word_embeddings": self.tied},
            vision_config={"depth": 32, "hidden_size": 1280, "num_heads": 16, "intermediate_size": 3420,
                           "out_hidden_size": self.hidden, "window_size": 112,
                           "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2},
            tie_word_embeddings=self.tied)


RELEASED = {"Qwen2.5-VL-3B": Released(2048, 36, 16, 2, 11008, 151936, True),
            "Qwen2.5-VL-7B": Released(3584, 28, 28, 4, 18944, 152064, False)}
SETTINGS = {f"LoRA r={RANK}": (RANK, False), f"LoRA r={RANK}, checkpointing": (RANK, True), "full": (0, False),
            "full, checkpointing": (0, True)}


def table() -> str:
    """Markdown: GiB at the fullest, and the cards that have as much."""
    lines = ["| model | frames | prompt tokens | " + " | ".join(SETTINGS) + " | PFLOP, LoRA / full |",
             "|---" * (4 + len(SETTINGS)) + "|"]
    for name, released in RELEASED.items():
        config = released.config()
        model = shape_of(config)
        for frames in FRAMES:
            found = [at(config, model, frames, *setting) for setting in SETTINGS.values()]
            cells = [name, str(frames), f"{found[0].prompt_tokens:,}", *map(cell, found),
                     f"{found[0].total_flops / 1e15:.2f} / {found[2].total_flops / 1e15:.2f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def at(config: Any, model: ModelShape, frames: int, rank: int, checkpointing: bool) -> Estimate:
    """One view of `frames` frames with its rollouts in bfloat16 on a GPU, the vision tower frozen."""
    train = TrainConfig(rollouts=ROLLOUTS, prompts_per_step=1, max_new_tokens=NEW_TOKENS, lora_rank=rank,
                        gradient_checkpointing=checkpointing, dtype="bfloat16", tokens_per_microbatch=BUDGET,
                        max_prompt_tokens=BUDGET)
    view = view_shape(config, frames, FRAME, train.min_pixels, train.max_pixels)
    prompt = view.tokens + view.written + TEXT_TOKENS
    return of_shape(model, train, StepShape(1, 1, ROLLOUTS, prompt, NEW_TOKENS, view), "cuda")


def cell(found: Estimate) -> str:
    """GiB, then the cards: `31 (40, 80)`."""
    fits = [str(card) for card in CARDS if found.peak_bytes <= card * GIB]
    return f"{found.peak_bytes / GIB:.0f} ({', '.join(fits) or 'none'})"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")

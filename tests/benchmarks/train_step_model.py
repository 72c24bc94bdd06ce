"""The model, frames and question of the training-step benchmark; run with a folder and a size, it writes the model."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train_step_shape import FRAME_SIDE, TEXT_TOKENS

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny_models import CHAT_TEMPLATE, make_tokenizer, qwen25_config
from transformers import (
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

TEXT = {"benchmark": {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8,
                      "num_key_value_heads": 2},
        "micro": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                  "num_key_value_heads": 2}}
VISION = {"benchmark": {"hidden_size": 256, "intermediate_size": 1024, "depth": 6, "num_heads": 4},
          "micro": {"hidden_size": 32, "intermediate_size": 64, "depth": 2, "num_heads": 2}}
SIZES = {"patch_size": 14, "merge_size": 2, "temporal_patch_size": 2,
         "size": {"shortest_edge": 4 * 14**2, "longest_edge": FRAME_SIDE**2}}


def build(folder: Path, size: str) -> None:
    """Write a random Qwen2.5-VL: `benchmark` has 31 M parameters, `micro` is for testing that all this runs."""
    tokenizer = make_tokenizer(merges=150)
    text, own = TEXT[size], VISION[size]
    vision = own | {"patch_size": 14, "out_hidden_size": text["hidden_size"], "window_size": FRAME_SIDE,
                    "fullatt_block_indexes": [own["depth"] - 1], "tokens_per_second": 2}
    torch.manual_seed(0)
    model: Any = Qwen2_5_VLForConditionalGeneration(qwen25_config(tokenizer, text, vision))
    model.save_pretrained(folder)
    Qwen2_5_VLProcessor(Qwen2VLImageProcessor(**SIZES), tokenizer, Qwen2VLVideoProcessor(**SIZES),
                        chat_template=CHAT_TEMPLATE).save_pretrained(folder)


def frames_of(count: int, seed: int) -> np.ndarray:
    """The video: uint8 [count, 112, 112, 3], noise, because the time does not depend on what is seen."""
    return np.random.default_rng(seed).integers(0, 256, (count, FRAME_SIDE, FRAME_SIDE, 3), dtype=np.uint8)


def question(processor: Any) -> str:
    """A question with which chat frame and text are `TEXT_TOKENS` tokens."""
    asked = "a"
    while len(rendered := processor.tokenizer(chat(processor, 0, asked))["input_ids"]) < TEXT_TOKENS:
        asked += " a"
    if len(rendered) != TEXT_TOKENS:
        raise ValueError(f"the chat frame alone has {len(rendered)} tokens, more than {TEXT_TOKENS}")
    return asked


def chat(processor: Any, images: int, asked: str) -> str:
    """The prompt as text, a placeholder for each image."""
    content = [{"type": "image"}] * images + [{"type": "text", "text": asked}]
    text: str = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False,
                                              add_generation_prompt=True)
    return text


def reward(ids: list[int]) -> float:
    """A number in [0, 1) that no two completions are likely to share, so that every row of a group has a gradient."""
    return sum(token * (place + 1) for place, token in enumerate(ids)) % 997 / 997


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2])

"""The demo policy's shape: a real Qwen2.5-VL, small enough to train on one core, and its processor."""

from pathlib import Path
from typing import Any

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from strive.stages.demo.tokenizer import CHAT_TEMPLATE

PATCH = 7  # pixels; half the usual size, because what is asked about is a few pixels large
MERGE = 2
VIEW_SIDE = 56  # pixels: 4 x 4 visual tokens for each pair of frames
VIEW_FRAMES = 8
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def policy_config(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLConfig:
    """The configuration, with the token ids of this tokenizer."""
    token: Any = tokenizer.convert_tokens_to_ids
    size = -(-len(tokenizer) // 16) * 16
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": size,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 3,
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_heads": 4,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "tokens_per_second": 1,
            "window_size": VIEW_SIDE,
            "fullatt_block_indexes": [2],
            "out_hidden_size": 128,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def processor_for(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLProcessor:
    """A processor whose pictures have this model's patch size and at most the demo's number of pixels."""
    sizes: dict[str, Any] = {
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": (PATCH * MERGE) ** 2, "longest_edge": VIEW_SIDE**2},
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**sizes),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**sizes),
        chat_template=CHAT_TEMPLATE,
    )


def save_policy(model: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor, folder: Path) -> None:
    """Save an ordinary ``from_pretrained`` folder with half-precision weights."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)

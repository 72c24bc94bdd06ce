"""Tiny random Qwen2.5-VL and Qwen3-VL folders with real processors and an own tokenizer, for all tests."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
           "<|image_pad|>", "<|video_pad|>")
CORPUS = [
    "What colour is the object that flashes? Answer with a word or a short phrase.",
    "First think inside <think> </think>, then answer inside <answer> </answer>.",
    "system user assistant You are a helpful assistant. <0.5 seconds>",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% elif content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer(merges: int = 60) -> Qwen2Tokenizer:
    """Byte-level BPE (any text can be encoded) with the family's real special tokens; the same on every run."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    learner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=len(alphabet) + merges, show_progress=False,
                                                            initial_alphabet=alphabet))
    vocab = learner.get_vocab()
    merges_learned = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=merges_learned, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                               model_max_length=32768)
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def make_tiny_model(folder: Path, family: str = "qwen2_5_vl", *, hidden: int = 64, layers: int = 3,
                    vision_hidden: int = 32, vision_depth: int = 2, patch: int = 14, window: int = 56,
                    tokens_per_second: int = 2, spread: float = 0.2, seed: int = 0) -> Path:
    """Write a random model of `family` with its processor to `folder` and return it.

    `hidden` must be a multiple of 32, `vision_hidden` of 16. `spread`: standard deviation of the weights; large enough
    that tokens differ clearly in probability and pixels matter.
    """
    tokenizer = make_tokenizer()
    text = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": layers,
            "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": spread}
    vision = {"depth": vision_depth, "hidden_size": vision_hidden, "intermediate_size": 2 * vision_hidden,
              "num_heads": 2, "patch_size": patch, "out_hidden_size": hidden, "initializer_range": spread}
    sizes = {"patch_size": patch, "merge_size": 2, "temporal_patch_size": 2,
             "size": {"shortest_edge": 4 * patch**2, "longest_edge": 64 * patch**2}}
    torch.manual_seed(seed)
    if family == "qwen2_5_vl":
        config: Any = qwen25_config(tokenizer, text, vision | {
            "window_size": window, "fullatt_block_indexes": [vision_depth - 1], "tokens_per_second": tokens_per_second})
        model: Any = Qwen2_5_VLForConditionalGeneration(config)
        processor: Any = Qwen2_5_VLProcessor(Qwen2VLImageProcessor(**sizes), tokenizer, Qwen2VLVideoProcessor(**sizes),
                                             chat_template=CHAT_TEMPLATE)
    else:
        config = qwen3_config(tokenizer, text, vision | {
            "num_position_embeddings": 64, "deepstack_visual_indexes": list(range(vision_depth))})
        model = Qwen3VLForConditionalGeneration(config)
        processor = Qwen3VLProcessor(Qwen2VLImageProcessor(**sizes), tokenizer, Qwen3VLVideoProcessor(**sizes),
                                     chat_template=CHAT_TEMPLATE)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def qwen25_config(tokenizer: Qwen2Tokenizer, text: dict[str, Any], vision: dict[str, Any]) -> Qwen2_5_VLConfig:
    """A Qwen2.5-VL config with this tokenizer's ids."""
    half = text["hidden_size"] // text["num_attention_heads"] // 2
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [half - 2 * (3 * half // 8)] +
            [3 * half // 8] * 2}
    return Qwen2_5_VLConfig(text_config=text | _text_ids(tokenizer) | {"rope_parameters": rope}, vision_config=vision,
                            tie_word_embeddings=True, **_visual_ids(tokenizer))


def qwen3_config(tokenizer: Qwen2Tokenizer, text: dict[str, Any], vision: dict[str, Any]) -> Qwen3VLConfig:
    """A Qwen3-VL config with this tokenizer's ids."""
    half = text["hidden_size"] // text["num_attention_heads"] // 2
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_interleaved": True,
            "mrope_section": [half - 2 * (5 * half // 16)] + [5 * half // 16] * 2}
    return Qwen3VLConfig(text_config=text | _text_ids(tokenizer) | {"rope_parameters": rope, "head_dim": 2 * half},
                         vision_config=vision, tie_word_embeddings=True, **_visual_ids(tokenizer))


def _text_ids(tokenizer: Qwen2Tokenizer) -> dict[str, Any]:
    token = tokenizer.convert_tokens_to_ids
    return {"vocab_size": -(-len(tokenizer) // 16) * 16, "max_position_embeddings": 32768, "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"), "pad_token_id": token("<|endoftext|>"), "tie_word_embeddings": True}


def _visual_ids(tokenizer: Qwen2Tokenizer) -> dict[str, Any]:
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
             "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}

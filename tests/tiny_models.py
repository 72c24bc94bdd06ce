"""Tiny random models of every family with real processors and an own tokenizer, for all tests."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
FIXED_SIZE = ("internvl", "llava_onevision")
FAMILIES = (*QWEN, *FIXED_SIZE)
INTERNVL_TOKENS = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
                   "video_token": "<video>"}
LLAVA_TOKENS = {"image_token": "<image>", "video_token": "<video>"}
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


def plain_template(image: str, video: str) -> str:
    """The chat of InternVL and LLaVA-OneVision: no system turn, each visual on a line before the text."""
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for content in message['content'] %}{% if content['type'] == 'video' %}" + video + "\n"
        "{% elif content['type'] == 'image' %}" + image + "\n"
        "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def make_tokenizer(merges: int = 60, named: dict[str, str] | None = None) -> Qwen2Tokenizer:
    """Byte-level BPE (any text can be encoded) with Qwen's real special tokens; the same on every run.

    `named`: further special tokens, which the tokenizer has as attributes of these names.
    """
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
                               model_max_length=32768, **({"extra_special_tokens": named} if named else {}))
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)
                          for token in (*SPECIAL, *(named or {}).values())])
    return tokenizer


def make_tiny_model(folder: Path, family: str = "qwen2_5_vl", *, hidden: int = 64, layers: int = 3,
                    vision_hidden: int = 32, vision_depth: int = 2, patch: int = 14, window: int = 56,
                    tokens_per_second: int = 2, spread: float = 0.2, seed: int = 0) -> Path:
    """Write a random model of `family` with its processor to `folder` and return it.

    `hidden` must be a multiple of 32, `vision_hidden` of 16. `spread`: standard deviation of the weights; large enough
    that tokens differ clearly in probability and pixels matter. `window` and `tokens_per_second`: Qwen2.5-VL only.
    """
    text = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": layers,
            "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": spread}
    vision = {"hidden_size": vision_hidden, "intermediate_size": 2 * vision_hidden, "depth": vision_depth,
              "patch_size": patch, "initializer_range": spread}
    if family in QWEN:
        vision |= {"num_heads": 2, "out_hidden_size": hidden}
        vision |= {"window_size": window, "tokens_per_second": tokens_per_second} if family == "qwen2_5_vl" else {}
        model, processor = tiny_qwen(family, text, vision, seed)
    else:
        vision["num_hidden_layers"] = vision.pop("depth")
        model, processor = (tiny_internvl if family == "internvl" else tiny_llava)(
            text, vision | {"num_attention_heads": 2}, seed)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def tiny_qwen(family: str, text: dict[str, Any], vision: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """A Qwen-VL model drawn from `seed` and its processor."""
    tokenizer, patch, depth = make_tokenizer(), vision["patch_size"], vision["depth"]
    sizes: dict[str, Any] = {"patch_size": patch, "merge_size": 2, "temporal_patch_size": 2,
             "size": {"shortest_edge": 4 * patch**2, "longest_edge": 64 * patch**2}}
    torch.manual_seed(seed)
    if family == "qwen2_5_vl":
        model: Any = Qwen2_5_VLForConditionalGeneration(
            qwen25_config(tokenizer, text, vision | {"fullatt_block_indexes": [depth - 1]}))
        processor: Any = Qwen2_5_VLProcessor
    elif family == "qwen2_vl":
        model, processor = Qwen2VLForConditionalGeneration(qwen2_config(tokenizer, text, vision)), Qwen2VLProcessor
    else:
        model = Qwen3VLForConditionalGeneration(qwen3_config(tokenizer, text, vision | {
            "num_position_embeddings": 64, "deepstack_visual_indexes": list(range(depth))}))
        processor = Qwen3VLProcessor
    videos = Qwen3VLVideoProcessor if family == "qwen3_vl" else Qwen2VLVideoProcessor
    return model, processor(Qwen2VLImageProcessor(**sizes), tokenizer, videos(**sizes), chat_template=CHAT_TEMPLATE)


def tiny_internvl(text: dict[str, Any], vision: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """An InternVL model of 4 x 4 patches, so 4 tokens a frame, and its processor."""
    tokenizer, side = make_tokenizer(named=INTERNVL_TOKENS), 4 * vision["patch_size"]
    torch.manual_seed(seed)
    model = InternVLForConditionalGeneration(InternVLConfig(
        text_config=text | _text_ids(tokenizer) | {"model_type": "qwen2"},
        vision_config=vision | {"image_size": side, "layer_scale_init_value": 1.0}, image_seq_length=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"), tie_word_embeddings=True))
    _draw_zeros(model, text["initializer_range"])
    sizes: dict[str, Any] = {"size": {"height": side, "width": side}, "image_mean": [0.485, 0.456, 0.406],
             "image_std": [0.229, 0.224, 0.225]}
    return model, InternVLProcessor(GotOcr2ImageProcessor(**sizes), tokenizer, InternVLVideoProcessor(**sizes),
                                    image_seq_length=4, chat_template=plain_template("<IMG_CONTEXT>", "<video>"))


def tiny_llava(text: dict[str, Any], vision: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """A LLaVA-OneVision model of 3 x 3 patches, pooled to 2 x 2 (27 x 27 to 14 x 14 are odd too), and its processor."""
    tokenizer, side = make_tokenizer(named=LLAVA_TOKENS), 3 * vision["patch_size"]
    torch.manual_seed(seed)
    model = LlavaOnevisionForConditionalGeneration(LlavaOnevisionConfig(
        text_config=text | _text_ids(tokenizer) | {"model_type": "qwen2"},
        vision_config=vision | {"model_type": "siglip_vision_model", "image_size": side, "vision_use_head": False},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_grid_pinpoints=[[side, side]],
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"), tie_word_embeddings=True))
    _draw_zeros(model, text["initializer_range"])
    sizes: dict[str, Any] = {"size": {"height": side, "width": side}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    return model, LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(**sizes, image_grid_pinpoints=[[side, side]]), tokenizer,
        LlavaOnevisionVideoProcessor(**sizes), num_image_tokens=9, vision_feature_select_strategy="full",
        chat_template=plain_template("<image>", "<video>"))


def _draw_zeros(model: torch.nn.Module, spread: float) -> None:
    """Class token and positions start at zero, where an error in their place would not be seen."""
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=spread)


def qwen2_config(tokenizer: Qwen2Tokenizer, text: dict[str, Any], vision: dict[str, Any]) -> Qwen2VLConfig:
    """A Qwen2-VL config with this tokenizer's ids."""
    half = text["hidden_size"] // text["num_attention_heads"] // 2
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [half - 2 * (3 * half // 8)] +
            [3 * half // 8] * 2}
    seen = {"depth": vision["depth"], "embed_dim": vision["hidden_size"], "hidden_size": vision["out_hidden_size"],
            "mlp_ratio": 2, "num_heads": vision["num_heads"], "patch_size": vision["patch_size"],
            "initializer_range": vision["initializer_range"]}
    return Qwen2VLConfig(text_config=text | _text_ids(tokenizer) | {"rope_parameters": rope}, vision_config=seen,
                         tie_word_embeddings=True, **_visual_ids(tokenizer))


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

"""Families at a released size on a pretended GPU: towers, prompts and completions run and stay on the device.

Qwen2.5-VL, with gradients and decoding, is in `test_fake_device.py`.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.initialization import no_init_weights

from strive.stages.vlm import Policy, ViewInputs, VisionFeatures
from strive.stages.vlm.adapters import make_adapter
from strive.stages.vlm.attention import use_shared_attention
from strive.stages.vlm.batch import PromptBatch
from strive.stages.vlm.decoding import Decoding
from strive.stages.vlm.forward import continued_hidden, joined
from strive.stages.vlm.prefix import prefill

QWEN2_7B = {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
            "intermediate_size": 18944, "tie_word_embeddings": False}
ROPE = {"rope_type": "default", "rope_theta": 1e6}


COUNTS = {"qwen2_vl": 8_291_375_616, "internvl": 7_944_373_760, "llava_onevision": 8_030_348_832}


def released(family: str, ids: dict[str, int]) -> tuple[Any, Any]:
    """Model class and config of Qwen2-VL-7B, InternVL3-8B or LLaVA-OneVision-7B, with the test tokenizer's ids."""
    if family == "qwen2_vl":
        text = QWEN2_7B | {"vocab_size": 152064, "rope_parameters": ROPE | {"mrope_section": [16, 24, 24]}}
        vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4}
        return Qwen2VLForConditionalGeneration, Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    text = QWEN2_7B | {"model_type": "qwen2", "rope_parameters": ROPE, "max_position_embeddings": 32768}
    if family == "internvl":
        vision = {"attention_bias": True, "image_size": 448, "num_hidden_layers": 24}
        return InternVLForConditionalGeneration, InternVLConfig(
            text_config=text | {"vocab_size": 151674}, vision_config=vision, tie_word_embeddings=False, **ids)
    return LlavaOnevisionForConditionalGeneration, LlavaOnevisionConfig(
        text_config=text | {"vocab_size": 152064}, tie_word_embeddings=False, **ids)


def build(family: str, ids: dict[str, int]) -> Any:
    model, config = released(family, ids)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"), no_init_weights():
            return model._from_config(config, attn_implementation="sdpa").eval()
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("family", COUNTS)
def test_a_video_goes_through_the_released_size_on_cuda(family: str, policies: dict[str, Policy]) -> None:
    processor, tiny = policies[family].processor, policies[family].core.config
    ids = {name: getattr(tiny, name) for name in ("image_token_id", "video_token_id", "vision_start_token_id",
                                                 "vision_end_token_id") if hasattr(tiny, name)}
    adapter = make_adapter(processor, released(family, ids)[1], 128 * 784, 4 * 784)
    times = np.arange(4) * 1.5
    view = adapter.encode_unseen([adapter.layout(336, 596, times)], "What colour is the ball?")
    assert (family, view.visual_tokens, adapter.frame_tokens) in (
        ("qwen2_vl", 240, 128), ("internvl", 1024, 256), ("llava_onevision", 785, 196))
    mode = FakeTensorMode()
    with mode:
        core = build(family, ids)
        assert sum(parameter.numel() for parameter in core.parameters()) == COUNTS[family]
        adapter.prepare(core)
        features = joined([fake_features(mode, adapter, core, view)])
        assert features is not None and features.tokens.shape == (view.visual_tokens, 3584)
        read_and_continue(core, adapter, len(view), features)


def fake_features(mode: FakeTensorMode, adapter: Any, core: Any, view: ViewInputs) -> VisionFeatures:
    """The view's features; what depends on data is worked out beforehand, on the CPU."""
    assert view.grid_thw is not None
    if adapter.axes == 1:
        with unset_fake_temporarily():
            frames = int(view.grid_thw[0, 0])
        return adapter.encode_views(core, [replace(view, pixel_values=torch.empty(frames, 3, *adapter.size))])[0]
    with unset_fake_temporarily():
        inputs = adapter.tower_inputs(view.grid_thw, torch.device("cpu"))
    inputs["position_ids"] = mode.from_tensor(inputs["position_ids"]).to("cuda")
    pixels = torch.empty(view.visual_tokens * 4, 3 * 2 * 14 * 14)
    return adapter.run_tower(core, pixels, mode.from_tensor(view.grid_thw), [view.visual_tokens], inputs)[0]


def read_and_continue(core: Any, adapter: Any, length: int, features: VisionFeatures) -> None:
    """One prompt, then the first token of three completions, each at its own position."""
    batch = PromptBatch(torch.ones(1, length, dtype=torch.int64, device="cuda"),
                        torch.ones(adapter.axes, 1, length, dtype=torch.int64, device="cuda"),
                        torch.ones(1, dtype=torch.int64, device="cuda"), None,
                        torch.ones(1, dtype=torch.int64, device="cuda"),
                        torch.arange(len(features.tokens), device="cuda"))
    use_shared_attention(core.model.language_model, "sdpa")
    with torch.no_grad():
        read = prefill(core, adapter, batch, features, [length])
        tokens = torch.ones(1, 3, dtype=torch.int64, device="cuda")
        step = continued_hidden(core, adapter, tokens, tokens, Decoding(read, 3, 7))
    assert step.device.type == "cuda" and step.dtype == torch.bfloat16 and tuple(step.shape) == (1, 3, 3584)

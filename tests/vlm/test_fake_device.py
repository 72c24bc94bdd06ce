"""The real Qwen2.5-VL sizes on a pretended GPU: every forward runs, and every tensor is on the right device."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from strive.stages.vlm import Policy, Sampling, ViewInputs, VisionFeatures
from strive.stages.vlm.attention import use_shared_attention
from strive.stages.vlm.batch import PromptBatch
from strive.stages.vlm.decoding import Decoding
from strive.stages.vlm.forward import continued_hidden, joined
from strive.stages.vlm.packed import Packed, PackedAttention
from strive.stages.vlm.prefix import prefill
from strive.stages.vlm.questions import lay_out, read_tails
from strive.stages.vlm.qwen2_5_vl import Qwen25VL
from strive.stages.vlm.sampling import draw
from strive.stages.vlm.token_probs import token_logprobs
from strive.stages.vlm.vision_attention import Segments

SIZES = {  # text: hidden, layers, heads, key/value heads, MLP, vocabulary, tied; parameters of the whole model
    "3B": (2048, 36, 16, 2, 11008, 151936, True, 3_754_622_976),
    "7B": (3584, 28, 28, 4, 18944, 152064, False, 8_292_166_656),
}


def real_config(size: str, ids: dict[str, int]) -> Qwen2_5_VLConfig:
    hidden, layers, heads, kv_heads, mlp, vocabulary, tied, _ = SIZES[size]
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    return Qwen2_5_VLConfig(
        text_config={"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
                     "num_key_value_heads": kv_heads, "intermediate_size": mlp, "vocab_size": vocabulary,
                     "rope_parameters": rope, "rms_norm_eps": 1e-6, "tie_word_embeddings": tied},
        vision_config={"depth": 32, "hidden_size": 1280, "num_heads": 16, "intermediate_size": 3420,
                       "out_hidden_size": hidden, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
                       "tokens_per_second": 2},
        tie_word_embeddings=tied, **ids)


@pytest.fixture
def ids(policies: dict[str, Policy]) -> dict[str, int]:
    config = policies["qwen2_5_vl"].core.config
    return {name: getattr(config, name) for name in
            ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")}


def build(config: Qwen2_5_VLConfig) -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            return Qwen2_5_VLForConditionalGeneration._from_config(config, attn_implementation="sdpa").eval()
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("size", SIZES)
def test_the_configurations_have_the_released_parameter_counts(size: str, ids: dict[str, int]) -> None:
    with FakeTensorMode():
        model = build(real_config(size, ids))
        assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[size][-1]


def test_every_forward_runs_at_the_3b_size_on_cuda(ids: dict[str, int], policies: dict[str, Policy]) -> None:
    config = real_config("3B", ids)
    adapter = Qwen25VL(policies["qwen2_5_vl"].processor, config, 128 * 784, 4 * 784)
    grids = torch.tensor([[4, 12, 20], [2, 16, 14]])  # two views of different size
    counts = [4 * 6 * 10, 2 * 8 * 7]
    tower_inputs = adapter.tower_inputs(grids, torch.device("cpu"))  # data-dependent, so outside the mode
    mode = FakeTensorMode()
    with mode:
        core = build(config)
        adapter.prepare(core)
        inputs = {name: on_cuda(mode, value) for name, value in tower_inputs.items()}
        pixels = torch.empty(sum(counts) * 4, 3 * 2 * 14 * 14)
        features = joined(adapter.run_tower(core, pixels, mode.from_tensor(grids), counts, inputs))
        assert features is not None and features.tokens.shape == (sum(counts), 2048)
        run_language(core, adapter, features, padded=True)


def test_prompts_of_one_length_run_on_cuda_without_a_mask(ids: dict[str, int], policies: dict[str, Policy]) -> None:
    config = real_config("3B", ids)
    config.text_config.num_hidden_layers, config.text_config.layer_types = 2, ["full_attention"] * 2
    config.vision_config.depth = 1
    adapter = Qwen25VL(policies["qwen2_5_vl"].processor, config, 128 * 784, 4 * 784)
    with FakeTensorMode():
        features = VisionFeatures(torch.ones(352, 2048, dtype=torch.bfloat16, device="cuda"))
        run_language(build(config), adapter, features, padded=False)


def run_language(core: Any, adapter: Qwen25VL, features: VisionFeatures, padded: bool) -> None:
    """Prefill of two prompts, a decoding step of six rows, log-probs of their completions."""
    length = 300
    batch = PromptBatch(torch.ones(2, length, dtype=torch.int64, device="cuda"),
                        torch.ones(3, 2, length, dtype=torch.int64, device="cuda"),
                        torch.ones(2, dtype=torch.int64, device="cuda"),
                        torch.ones(2, length, dtype=torch.bool, device="cuda") if padded else None,
                        torch.ones(2, dtype=torch.int64, device="cuda"),
                        torch.arange(len(features.tokens), device="cuda"))
    use_shared_attention(core.model.language_model, "sdpa")
    with torch.no_grad():
        read = prefill(core, adapter, batch, features, [length, length])
        state, waiting = Decoding(read, 3, 7), read.last.unsqueeze(1).expand(-1, 3, -1)
        sampled, logprobs, entropy, _ = draw(core.lm_head(waiting.flatten(0, 1)), torch.rand(6, device="cuda"),
                                 Sampling(8, top_p=0.9, top_k=20), torch.arange(5, device="cuda"))
        at = batch.next_positions.unsqueeze(1).expand(2, 3)
        step = continued_hidden(core, adapter, sampled.view(2, 3), at, state)
    ids = torch.ones(2, 21, dtype=torch.int64, device="cuda")  # three completions of 8 tokens a prompt
    packed = Packed(ids, ids, ids, ((0, 21),), torch.arange(44, device="cuda"))
    read = prefill(core, adapter, batch, features, [length, length])
    leaves = read.detached()
    hidden = continued_hidden(core, adapter, packed.ids, packed.positions, PackedAttention(leaves, packed))
    states = torch.cat([leaves.last, hidden.flatten(0, 1)])[packed.places]
    scored = token_logprobs(core.lm_head, states, packed.places, 1.0)
    for tensor, shape in ((step, (2, 3, 2048)), (hidden, (2, 21, 2048)), (logprobs, (6,)), (entropy, (6,)),
                          (scored, (44,))):
        assert tensor.device.type == "cuda" and tuple(tensor.shape) == shape
    assert scored.requires_grad and scored.dtype == torch.float32 and step.dtype == torch.bfloat16


def test_questions_about_one_view_run_on_cuda(ids: dict[str, int], policies: dict[str, Policy]) -> None:
    """Tails of two views on their heads, a step of the replies, and rows that leave."""
    config = real_config("3B", ids)
    config.text_config.num_hidden_layers, config.text_config.layer_types = 2, ["full_attention"] * 2
    config.vision_config.depth = 1
    adapter = Qwen25VL(policies["qwen2_5_vl"].processor, config, 128 * 784, 4 * 784)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        core = build(config)
        use_shared_attention(core.model.language_model, "sdpa")
        read = prefill(core, adapter, heads(280, 300), VisionFeatures(
            torch.ones(352, 2048, dtype=torch.bfloat16, device="cuda")), [280, 300])
        prompts = [prompt(280 + 20, 280 + 31, 280 + 5), prompt(300 + 12)]
        tails = lay_out(read, prompts, 0)
        policy = SimpleNamespace(core=core, adapter=adapter)
        state, waiting = read_tails(policy, read, tails, 7)
        logits = core.lm_head(waiting.flatten(0, 1))
        sampled = draw(logits, None, Sampling(8, temperature=0.0), torch.arange(5, device="cuda")).ids
        step = continued_hidden(core, adapter, sampled.view(2, 3), tails.start, state)
        state.length += 1
        state.keep(torch.tensor([0, 1], device="cuda"), torch.tensor([[2], [0]], device="cuda"))
        later = continued_hidden(core, adapter, sampled.view(2, 3)[:, :1], tails.start[:, :1] + 1, state)
    assert tuple(tails.places.shape) == (2, 3, 31) and tails.packed.ids.shape == (2, 56)
    assert state.keys[0].shape == (2, 2, 1, 38, 128) and state.blank is not None
    for tensor, shape in ((waiting, (2, 3, 2048)), (step, (2, 3, 2048)), (later, (2, 1, 2048)),
                          (state.keys[0], (2, 2, 1, 38, 128)), (state.blank, (2, 1, 1, 1, 38))):
        assert tensor.device.type == "cuda" and tuple(tensor.shape) == shape
    assert step.dtype == later.dtype == state.keys[0].dtype == torch.bfloat16


def heads(*lengths: int) -> PromptBatch:
    """Two heads of different length, as `collate` pads them."""
    longest = max(lengths)
    return PromptBatch(torch.ones(2, longest, dtype=torch.int64, device="cuda"),
                       torch.ones(3, 2, longest, dtype=torch.int64, device="cuda"),
                       torch.ones(2, dtype=torch.int64, device="cuda"),
                       torch.ones(2, longest, dtype=torch.bool, device="cuda"),
                       torch.ones(2, dtype=torch.int64, device="cuda"), torch.arange(352, device="cuda"))


def prompt(*lengths: int) -> list[ViewInputs]:
    """Prompts of these lengths, on the CPU."""
    return [ViewInputs(torch.ones(length, dtype=torch.int64), torch.ones(3, length, dtype=torch.int64), length, None,
                       None, torch.zeros(length, dtype=torch.int64), 0) for length in lengths]


def on_cuda(mode: FakeTensorMode, value: Any) -> Any:
    if isinstance(value, Segments):
        return Segments(tuple((length, None if index is None else on_cuda(mode, index))
                              for length, index in value.groups))
    return mode.from_tensor(value).to("cuda")

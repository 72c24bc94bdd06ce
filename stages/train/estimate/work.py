"""Floating-point operations of one training step, from a model's measures: 2 for each multiply and add."""

from strive.stages.train.estimate.model_shape import BlockShape
from strive.stages.train.estimate.peak_memory import Setup
from strive.stages.vlm.token_probs import CHUNK_ELEMENTS


def flops(setup: Setup, epochs: int, reference: bool) -> dict[str, float]:
    """By part of the step. `epochs`: updates per rollout; `reference`: a second policy reads everything once.

    A backward costs twice the forward, once where only LoRAs need a gradient of weights, and the forward again with
    checkpointing. Padding, norms, softmax and the optimiser are left out.
    """
    step, views = setup.step, setup.step.views
    prompts = views * prefill_flops(setup)
    reads = 1 + max(0, views - setup.kept) / views + (epochs - 1) + reference
    scored = step.completions * completion_flops(setup)
    back = (1.0 if setup.training == "lora" else 2.0) + setup.checkpointing
    seen = views * vision_flops(setup)
    recomputed = step.completions * head_flops(setup, step.new_tokens) if is_chunked(setup) else 0.0
    return {
        "vision": seen * (1 if not setup.trains_vision else reads + 2.0 * epochs),
        "prefill": prompts * reads,
        "prefill backward": prompts * back * epochs,
        "decode": scored,
        "completions": scored * (epochs + reference),
        "completions backward": (scored * back + recomputed) * epochs,
    }


def vision_flops(setup: Setup) -> float:
    """The tower's forward on one view, projector included."""
    model, view = setup.model, setup.step.view
    per_patch = model.tower.depth * block_flops(model.tower, view.attended) + 2.0 * model.patch_embed
    return view.patches * per_patch + view.tokens * 2.0 * model.projector


def prefill_flops(setup: Setup) -> float:
    """The decoder's forward on one prompt; a token attends to half of them on average."""
    length = setup.step.prompt_tokens
    return length * decoder_flops(setup, length / 2)


def completion_flops(setup: Setup) -> float:
    """The decoder's forward on one completion, cached or not, with its logits."""
    tokens = setup.step.new_tokens
    return tokens * decoder_flops(setup, setup.step.prompt_tokens + tokens / 2) + head_flops(setup, tokens)


def decoder_flops(setup: Setup, keys: float) -> float:
    """All layers on one token that attends to `keys`, LoRAs included."""
    lora = 2.0 * setup.model.lora_parameters(setup.rank) if setup.training == "lora" else 0.0
    return setup.model.decoder.depth * block_flops(setup.model.decoder, keys) + lora


def block_flops(block: BlockShape, keys: float) -> float:
    """Linear maps 2 · elements; scores and mixing 2 · 2 · width · keys."""
    return 2.0 * block.weights + 4.0 * block.query * keys


def head_flops(setup: Setup, tokens: int) -> float:
    """Logits of `tokens` tokens."""
    return 2.0 * tokens * setup.model.vocabulary * setup.model.decoder.width


def is_chunked(setup: Setup) -> bool:
    """A micro-batch's logits are made in slices that backward computes again."""
    return setup.rows * setup.step.new_tokens * setup.model.vocabulary > CHUNK_ELEMENTS

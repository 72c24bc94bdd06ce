"""One pass of the language model over a prompt, with its cache, from embeddings that carry the vision features."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from strive.stages.vlm.batch import PromptBatch, continuation_mask
from strive.stages.vlm.interface import VisionFeatures


def joined(features: Sequence[VisionFeatures]) -> VisionFeatures | None:
    """The features of several views one after another, in the order of the batch's placeholders; None without any."""
    if not features:
        return None
    levels = [torch.cat(level) for level in zip(*((own.tokens, *own.deepstack) for own in features), strict=True)]
    return VisionFeatures(levels[0], tuple(levels[1:]))


def prompt_hidden(core: Any, adapter: Any, batch: PromptBatch, features: VisionFeatures | None,
                  cache: DynamicCache | None = None) -> Tensor:
    """Last hidden states [B, L, D] of right-padded prompts; fills `cache` when given."""
    embeds = core.get_input_embeddings()(batch.input_ids)
    inputs = {"inputs_embeds": embeds}
    if features is not None:
        inputs = adapter.language_inputs(embeds, batch.visual_index, features)
    return run(core, adapter, inputs, batch.position_ids, None, cache)


def prefill(core: Any, adapter: Any, batch: PromptBatch,
            features: VisionFeatures | None) -> tuple[Tensor, DynamicCache]:
    """The hidden state after each prompt [B, D], from which its first token is predicted, and the filled cache."""
    cache = DynamicCache()
    hidden = prompt_hidden(core, adapter, batch, features, cache)
    return hidden[torch.arange(len(hidden), device=hidden.device), batch.last], cache


def continue_hidden(core: Any, adapter: Any, ids: Tensor, positions: Tensor, valid: Tensor | None, cache: DynamicCache) -> Tensor:
    """Hidden states [R, Q, D] of tokens `ids` int64 [R, Q] that follow what `cache` holds.

    `positions` int64 [R, Q] go to every axis (completions are text). `valid` bool [R, cached + Q] or None.
    """
    embeds = core.get_input_embeddings()(ids)
    keys = cache.get_seq_length() + ids.shape[1]
    mask = continuation_mask(valid, ids.shape[1], keys, ids.device)
    axes = positions.unsqueeze(0).expand(adapter.axes, -1, -1)
    return run(core, adapter, {"inputs_embeds": embeds}, axes, mask, cache)


def run(core: Any, adapter: Any, inputs: dict[str, Any], position_ids: Tensor, mask: Tensor | None,
        cache: DynamicCache | None) -> Tensor:
    """Call the language model with explicit positions: hidden states [B, Q, D]; without a mask it is plain causal."""
    hidden: Tensor = adapter.decode(core, inputs, position_ids, attention_mask=mask, past_key_values=cache,
                                    use_cache=cache is not None)
    return hidden

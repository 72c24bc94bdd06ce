"""The language model over prompts and over what follows them, from embeddings that carry the vision features."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from strive.stages.vlm.attention import Continuation
from strive.stages.vlm.batch import PromptBatch
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
    hidden: Tensor = adapter.decode(core, inputs, batch.position_ids, attention_mask=None, past_key_values=cache,
                                    use_cache=cache is not None)
    return hidden


def continued_hidden(core: Any, adapter: Any, ids: Tensor, positions: Tensor, prefix: Continuation) -> Tensor:
    """Hidden states [B, N, D] of tokens `ids` int64 [B, N] that attend as `prefix` says.

    `positions` int64 [B, N] go to every axis: completions are text.
    """
    embeds = core.get_input_embeddings()(ids)
    axes = positions.unsqueeze(0).expand(adapter.axes, -1, -1)
    hidden: Tensor = adapter.decode(core, {"inputs_embeds": embeds}, axes, attention_mask=None, past_key_values=None,
                                    use_cache=False, prefix=prefix)
    return hidden

"""A prompt read once: the keys and values that everything after it attends to, and how gradients come back to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from strive.stages.vlm.batch import PromptBatch
from strive.stages.vlm.forward import prompt_hidden
from strive.stages.vlm.interface import VisionFeatures


@dataclass(frozen=True, eq=False)
class Prefix:
    """What completions need of B prompts, right-padded to P tokens.

    keys, values    one [B, KV, P, D] a layer
    last            [B, hidden]   state after each prompt, from which its first token is predicted
    valid           bool [B, P]   what is not padding, or None when nothing is
    next_positions  int64 [B]     rotary position of the first completion token, on every axis
    lengths         tokens of each prompt
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    last: Tensor
    valid: Tensor | None
    next_positions: Tensor
    lengths: tuple[int, ...]

    def detached(self) -> "Prefix":
        """The same numbers cut off from their graph; they collect gradients if those here come from a graph."""
        collect = self.last.requires_grad

        def cut(tensor: Tensor) -> Tensor:
            return tensor.detach().requires_grad_(collect)

        return Prefix(tuple(map(cut, self.keys)), tuple(map(cut, self.values)), cut(self.last), self.valid,
                      self.next_positions, self.lengths)

    def select(self, views: Sequence[int]) -> "Prefix":
        """These prompts only; the whole when all are asked for in order."""
        if list(views) == list(range(len(self.lengths))):
            return self
        lengths = tuple(self.lengths[view] for view in views)
        index, longest = torch.tensor(list(views), device=self.last.device), max(lengths)
        valid = self.valid[index, :longest] if self.valid is not None and min(lengths) < longest else None
        keys, values = (tuple(states[index, :, :longest] for states in held) for held in (self.keys, self.values))
        return Prefix(keys, values, self.last[index], valid, self.next_positions[index], lengths)

    def backward(self, leaves: "Prefix") -> None:
        """Send what `leaves` (made by `detached`) collected through this prefix's graph, which is freed."""
        pairs = [(own, leaf.grad) for own, leaf in zip(self._tensors(), leaves._tensors(), strict=True)
                 if leaf.grad is not None and own.requires_grad]
        if pairs:
            torch.autograd.backward([own for own, _ in pairs], [grad for _, grad in pairs])

    def _tensors(self) -> tuple[Tensor, ...]:
        return (*self.keys, *self.values, self.last)


class CaptureLayer(DynamicLayer):
    """Keeps the first keys and values it is given: those of a recomputation in backward are let through unkept."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Returns what it is given."""
        if not self.is_initialized:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self.keys, self.values = key_states, value_states
        return key_states, value_states

    def get_seq_length(self) -> int:
        """0: a prompt follows nothing."""
        return 0


def prefill(core: Any, adapter: Any, batch: PromptBatch, features: VisionFeatures | None,
            lengths: Sequence[int]) -> Prefix:
    """Read the prompts once, with gradient when enabled."""
    count = int(core.config.get_text_config().num_hidden_layers)
    cache = DynamicCache()
    cache.layers = [CaptureLayer() for _ in range(count)]
    hidden = prompt_hidden(core, adapter, batch, features, cache)
    last = hidden[torch.arange(len(hidden), device=hidden.device), batch.last]
    layers: list[Any] = cache.layers
    return Prefix(tuple(layer.keys for layer in layers), tuple(layer.values for layer in layers), last, batch.valid,
                  batch.next_positions, tuple(lengths))

"""One attention function for every decoder: the usual kernel for prompts, shared prefixes for what follows them.

A prompt is read as the family always reads it. Completions come as one sequence a prompt, and what is passed to the
language model as `prefix=` says how they attend: to their prompt's keys and values, held once, and to themselves.
"""

import sys
from typing import Any, Protocol

from torch import Tensor, nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

KERNELS = ("sdpa", "eager")


class Continuation(Protocol):
    """How tokens that follow a prompt attend."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """query [B, H, N, D], key and value [B, KV, N, D] of the new tokens → [B, H, N, D]."""


def use_shared_attention(language: nn.Module, kernel: str) -> None:
    """Make every layer of the language model attend through this file, prompts with the kernel named.

    Only the text config is changed; a vision tower keeps the kernel it was loaded with.
    """
    config: Any = language.config
    config._attn_implementation = _registered(kernel)


def _registered(kernel: str) -> str:
    name = f"strive_{kernel}"
    if name not in ALL_ATTENTION_FUNCTIONS:
        def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
                      scaling: float | None = None, prefix: Continuation | None = None,
                      **options: Any) -> tuple[Tensor, Any]:
            scale = scaling if scaling is not None else query.shape[-1] ** -0.5
            if prefix is None:
                plain = ALL_ATTENTION_FUNCTIONS.get_interface(kernel, _eager_of(module))
                mixed: tuple[Tensor, Any] = plain(module, query, key, value, attention_mask, scaling=scale, **options)
                return mixed
            return prefix.attend(module.layer_idx, query, key, value, scale).transpose(1, 2).contiguous(), None

        ALL_ATTENTION_FUNCTIONS.register(name, attention)
        ALL_MASK_ATTENTION_FUNCTIONS.register(name, ALL_MASK_ATTENTION_FUNCTIONS[kernel])
    return name


def _eager_of(module: nn.Module) -> Any:
    """The family's own written-out attention."""
    return getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)

"""Vision attention in few calls: segments (frames, windows) of one length attend as one batch, not one by one."""

import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, eq=False)
class Segments:
    """Which runs of consecutive patches attend to each other: plain-integer lengths, and the patches of each length.

    `groups` holds (length, index int64 [n · length] or None when all segments have that length).
    """

    groups: tuple[tuple[int, Tensor | None], ...]

    @staticmethod
    def of(lengths: list[int], device: torch.device) -> "Segments":
        distinct = sorted(set(lengths))
        if len(distinct) == 1:
            return Segments(((distinct[0], None),))
        counts = torch.tensor(lengths)
        owner = counts.repeat_interleave(counts)  # length of the segment each patch belongs to
        return Segments(tuple((length, torch.nonzero(owner == length).flatten().to(device)) for length in distinct))


def attend_by_length(self: nn.Module, hidden_states: Tensor, cu_seqlens: Segments,
                     position_embeddings: tuple[Tensor, Tensor], **_: Any) -> Tensor:
    """Drop-in `forward` of the Qwen vision attentions; `cu_seqlens` carries `Segments`. [patches, dim] → same.

    Same arithmetic as the original: rotate q and k in float32, full attention inside each segment.
    """
    attention: Any = self
    query, key, value = attention.qkv(hidden_states).reshape(
        hidden_states.shape[0], 3, attention.num_heads, -1).unbind(1)  # each [patches, heads, head_dim]
    cos, sin = (table.unsqueeze(1).float() for table in position_embeddings)
    query, key = (_rotate(x, cos, sin) for x in (query, key))
    out = torch.empty_like(value) if len(cu_seqlens.groups) > 1 else value
    for length, index in cu_seqlens.groups:
        q, k, v = ((states if index is None else states[index]).unflatten(0, (-1, length)).transpose(1, 2)
                   for states in (query, key, value))  # each [segments, heads, length, head_dim]
        mixed = scaled_dot_product_attention(q, k, v, scale=attention.scaling).transpose(1, 2).flatten(0, 1)
        out = mixed if index is None else out.index_copy(0, index, mixed)
    return attention.proj(out.reshape(hidden_states.shape[0], -1))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    values = x.float()
    first, second = values.chunk(2, dim=-1)
    return (values * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


def batch_segments(tower: nn.Module) -> None:
    """Make every block of the tower attend by length; its forward must then be given `Segments`."""
    for block in tower.blocks:  # type: ignore[union-attr]
        block.attn.forward = types.MethodType(attend_by_length, block.attn)

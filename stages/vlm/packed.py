"""Given completions as one sequence a prompt, end to end and without padding between them, for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from strive.stages.vlm.prefix import Prefix

SPAN = 192
"""Tokens of one prompt's completions that go into one attention call: more would mostly compare rows in vain."""


@dataclass(frozen=True, eq=False)
class Packed:
    """R completions laid out by prompt: [B, N] holds those of each prompt one after another, padded on the right.

    Every token of a completion but its last is an input: it predicts the next. The first is predicted by the prompt.

    ids        int64 [B, N]      inputs
    positions  int64 [B, N]      rotary positions, on every axis
    row        int64 [B, N]      which completion a token belongs to; -1 padding
    spans      (start, end) of whole completions whose tokens attend together; one span when B > 1
    places     int64 [T]         where the state that predicts each given token stands in [B prompts | B · N inputs]
    """

    ids: Tensor
    positions: Tensor
    row: Tensor
    spans: tuple[tuple[int, int], ...]
    places: Tensor


def pack(prefix: Prefix, owners: Sequence[int], completions: Sequence[Tensor], pad_id: int) -> Packed:
    """Completion r (int64 [C_r], on the CPU) follows prompt `owners[r]`; T runs over completions, then their tokens."""
    count, device = len(prefix.lengths), prefix.last.device
    inputs = [len(own) - 1 for own in completions]
    starts, filled = [], [0] * count
    for owner, length in zip(owners, inputs, strict=True):
        starts.append(filled[owner])
        filled[owner] += length
    width = max(filled)
    ids = torch.full((count, width), pad_id)
    steps, row = torch.zeros((count, width), dtype=torch.int64), torch.full((count, width), -1)
    places = []
    for r, (owner, own, start) in enumerate(zip(owners, completions, starts, strict=True)):
        end = start + len(own) - 1
        ids[owner, start:end], row[owner, start:end] = own[:-1], r
        steps[owner, start:end] = torch.arange(len(own) - 1)
        before = count + owner * width + start
        places += [torch.tensor([owner]), torch.arange(before, before + len(own) - 1)]
    spans = spans_of(inputs) if count == 1 else ((0, width),)
    positions = prefix.next_positions.unsqueeze(1) + steps.to(device)
    return Packed(ids.to(device), positions, row.to(device), spans, torch.cat(places).to(device))


def spans_of(lengths: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Whole rows, end to end, in runs of about `SPAN` tokens."""
    spans: list[tuple[int, int]] = []
    for end in accumulate(lengths):
        begin = spans[-1][1] if spans else 0
        if spans and end - spans[-1][0] <= SPAN:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((begin, end))
    return tuple(spans)


class PackedAttention:
    """Each token attends to its whole prompt and to its own completion up to itself. Keys are never repeated."""

    def __init__(self, prefix: Prefix, packed: Packed) -> None:
        self.prefix, self.spans = prefix, packed.spans
        self.masks = [self._mask(prefix, packed.row[:, start:end]) for start, end in packed.spans]

    @staticmethod
    def _mask(prefix: Prefix, row: Tensor) -> Tensor:
        """bool [B, 1, n, P + n], True = attends; padding attends to itself, so that nothing is NaN."""
        count, width = row.shape
        order = torch.arange(width, device=row.device)
        own = (row.unsqueeze(2) == row.unsqueeze(1)) & (order.unsqueeze(1) >= order)
        length = prefix.keys[0].shape[2]
        seen = prefix.valid if prefix.valid is not None else row.new_ones((count, length), dtype=torch.bool)
        return torch.cat([seen.unsqueeze(1).expand(-1, width, -1), own], dim=2).unsqueeze(1)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """query [B, H, N, D], key and value [B, KV, N, D] → [B, H, N, D]."""
        mixed = []
        for (start, end), mask in zip(self.spans, self.masks, strict=True):
            keys = torch.cat([self.prefix.keys[layer], key[:, :, start:end]], dim=2)
            values = torch.cat([self.prefix.values[layer], value[:, :, start:end]], dim=2)
            mixed.append(grouped_attention(query[:, :, start:end], keys, values, mask, scale))
        return torch.cat(mixed, dim=2) if len(mixed) > 1 else mixed[0]


def grouped_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention with H / KV query heads a key head; the masked kernels of GPUs want the keys of each head."""
    repeats = query.shape[1] // key.shape[1]
    native = query.device.type == "cpu"
    if repeats > 1 and not native:
        key, value = (states.repeat_interleave(repeats, dim=1) for states in (key, value))
    mixed: Tensor = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale,
                                                 enable_gqa=native and repeats > 1)
    return mixed

"""Several questions about one view: what their prompts begin with is read once, the rest of each on top of it.

A prompt shows its video first, so that all prompts about one view begin with the same tokens, visual ones included:
their head. What follows in each is its tail, which attends to the whole head and to itself. The tails of a view are one
sequence to the language model, end to end; their keys and values are then held by row for decoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from strive.stages.vlm.decoding import Decoding
from strive.stages.vlm.forward import continued_hidden
from strive.stages.vlm.interface import ViewInputs
from strive.stages.vlm.packed import Packed, PackedAttention, spans_of
from strive.stages.vlm.prefix import Prefix


def head_length(prompts: Sequence[ViewInputs]) -> int:
    """Tokens that these prompts begin with alike, at the same positions; the whole of a prompt that is alone.

    `ValueError` when visual tokens follow: the prompts are not about one view.
    """
    first, shortest = prompts[0], min(map(len, prompts))
    alike = torch.ones(shortest, dtype=torch.bool)
    for other in prompts[1:]:
        alike &= first.input_ids[:shortest] == other.input_ids[:shortest]
        alike &= (first.position_ids[:, :shortest] == other.position_ids[:, :shortest]).all(0)
    length = int(alike.cumprod(0).sum())
    if not length or any(bool(prompt.mm_token_type_ids[length:].any()) for prompt in prompts):
        raise ValueError(f"prompts that differ from token {length} on, before the last visual one")
    return length


def head_of(prompts: Sequence[ViewInputs]) -> ViewInputs:
    """What these prompts begin with, as a prompt; `next_position` is that of the first one's next token."""
    first, length = prompts[0], head_length(prompts)
    after = int(first.position_ids[0, length]) if length < len(first) else first.next_position
    return replace(first, input_ids=first.input_ids[:length], position_ids=first.position_ids[:, :length],
                   mm_token_type_ids=first.mm_token_type_ids[:length], next_position=after)


@dataclass(frozen=True, eq=False)
class Tails:
    """The tails of n questions (the most of any view) for each of B views, read on the heads' prefix.

    packed  the tails of each view end to end, [B, N]; `packed.places` [B · n]: where the state after each prompt stands
            in [B heads | B · N inputs]
    places  int64 [B, n, S]  where in N each token of a tail is held, right-aligned, S the longest tail
    valid   bool [B, n, S]   what is no padding there
    start   int64 [B, n]     position of the first token of each reply
    """

    packed: Packed
    places: Tensor
    valid: Tensor
    start: Tensor


def lay_out(prefix: Prefix, questions: Sequence[Sequence[ViewInputs]], pad_id: int) -> Tails:
    """questions[b]: prompts that begin with prompt b of `prefix`; a view may have fewer than another."""
    tails = [[len(prompt) - head for prompt in own] for own, head in zip(questions, prefix.lengths, strict=True)]
    count, most = len(questions), max(map(len, questions))
    width, longest = max(map(sum, tails)), max(max(own) for own in tails)
    ids, steps = torch.full((count, width), pad_id), torch.zeros((count, width), dtype=torch.int64)
    row = torch.full((count, width), -1)
    places = torch.zeros((count, most, longest), dtype=torch.int64)
    valid = torch.zeros((count, most, longest), dtype=torch.bool)
    start, last = torch.zeros((count, most), dtype=torch.int64), torch.zeros((count, most), dtype=torch.int64)
    for b, (own, head) in enumerate(zip(questions, prefix.lengths, strict=True)):
        begin = 0
        for j, prompt in enumerate(own):
            length = len(prompt) - head
            end = begin + length
            ids[b, begin:end], row[b, begin:end] = prompt.input_ids[head:], j
            steps[b, begin:end] = prompt.position_ids[0, head:]  # text: the same on every axis
            places[b, j, longest - length:] = torch.arange(begin, end)
            valid[b, j, longest - length:] = True
            start[b, j] = prompt.next_position
            last[b, j] = count + b * width + end - 1 if length else b
            begin = end
    spans = spans_of(tails[0]) if count == 1 else ((0, width),)
    device = prefix.last.device
    packed = Packed(ids.to(device), steps.to(device), row.to(device), spans, last.flatten().to(device))
    return Tails(packed, places.to(device), valid.to(device), start.to(device))


class Reading:
    """Attention of tails: each token to the whole head and to its own tail; `state` takes their keys and values."""

    def __init__(self, prefix: Prefix, tails: Tails, state: Decoding) -> None:
        self.attention, self.state, self.places = PackedAttention(prefix, tails.packed), state, tails.places
        self.views = torch.arange(len(tails.places), device=tails.places.device)[:, None, None]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """query [B, H, N, D], key and value [B, KV, N, D] → [B, H, N, D]."""
        self.state.hold(layer, self.by_row(key), self.by_row(value))
        return self.attention.attend(layer, query, key, value, scale)

    def by_row(self, states: Tensor) -> Tensor:
        """[B, KV, N, D] → [B, KV, n, S, D]."""
        return states.transpose(1, 2)[self.views, self.places].permute(0, 3, 1, 2, 4)


@torch.no_grad()
def read_tails(policy: Any, prefix: Prefix, tails: Tails, room: int) -> tuple[Decoding, Tensor]:
    """The keys and values of the tails, with room for so many tokens a row, and the states after the prompts
    [B, n, hidden], from which the replies' first tokens are predicted."""
    count, most, longest = tails.places.shape
    state, states = Decoding(prefix, most, longest + room), prefix.last
    if longest:
        own = continued_hidden(policy.core, policy.adapter, tails.packed.ids, tails.packed.positions,
                               Reading(prefix, tails, state))
        states = torch.cat([states, own.flatten(0, 1)])
        state.begin(tails.valid)
    return state, states[tails.packed.places].view(count, most, -1)

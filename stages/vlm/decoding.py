"""Decoding on a shared prefix: a prompt's keys and values are held and read once for all its rows.

The rows of a prompt are one sequence to the language model, a token each; only their own tokens are held for each row.
"""

import torch
from torch import Tensor

from strive.stages.vlm.prefix import Prefix


class Decoding:
    """Keys and values of n rows for each of B prompts, with room for T tokens. No gradient.

    keys, values: one [B, KV, n, T, D] a layer, of which the first `length` are filled. blank: bool [B, 1, n, 1, T], the
    places that hold no token of their row, or None when every filled place does.
    """

    def __init__(self, prefix: Prefix, rows: int, room: int) -> None:
        self.prefix, self.length = prefix, 0
        count, heads, _, dim = prefix.keys[0].shape
        self.keys, self.values = ([states.new_empty((count, heads, rows, room, dim)) for states in held]
                                  for held in (prefix.keys, prefix.values))
        self.unseen = None if prefix.valid is None else ~prefix.valid[:, None, None]
        self.blank: Tensor | None = None

    def hold(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Fill the first places with what each row begins with: [B, KV, n, S, D]."""
        self.keys[layer][:, :, :, :keys.shape[3]], self.values[layer][:, :, :, :keys.shape[3]] = keys, values

    def begin(self, valid: Tensor) -> None:
        """Go on after what every layer holds; `valid` bool [B, n, S] says which places are a row's own."""
        self.length = valid.shape[2]
        room = self.keys[0].shape[3]
        self.blank = torch.nn.functional.pad(~valid, (0, room - self.length))[:, None, :, None]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """One token of each row: query [B, H, n, D], key and value [B, KV, n, D] → [B, H, n, D].

        One softmax over the prompt and the row's own tokens; the two parts are multiplied where they lie.
        """
        count, heads, rows, dim = query.shape
        kv = key.shape[1]
        self.keys[layer][:, :, :, self.length], self.values[layer][:, :, :, self.length] = key, value
        own_keys, own_values = (held[layer][:, :, :, :self.length + 1] for held in (self.keys, self.values))
        asked = query.view(count, kv, heads // kv, rows, dim).transpose(2, 3) * scale  # [B, KV, n, H / KV, D]
        wide = asked.reshape(count, kv, -1, dim)
        shared = products(wide, self.prefix.keys[layer])  # [B, KV, n · H / KV, P]
        if self.unseen is not None:
            shared = shared.masked_fill(self.unseen, float("-inf"))
        own = products(asked, own_keys)
        if self.blank is not None:
            own = own.masked_fill(self.blank[..., :self.length + 1], float("-inf"))
        own = own.flatten(2, 3)
        weights = torch.cat([shared, own], dim=-1).softmax(-1).to(query.dtype)
        length = shared.shape[-1]
        mixed = weights[..., :length] @ self.prefix.values[layer]
        alone = weights[..., length:].unflatten(2, (rows, -1)) @ own_values
        return (mixed.unflatten(2, (rows, -1)) + alone).transpose(2, 3).reshape(count, heads, rows, dim)

    def keep(self, prompts: Tensor, rows: Tensor) -> None:
        """Go on with these prompts, int64 [B'], and of each with these rows, int64 [B', n']."""
        if len(prompts) < len(self.prefix.lengths):
            self.prefix = self.prefix.select(prompts.tolist())
            self.unseen = None if self.prefix.valid is None else ~self.prefix.valid[:, None, None]
        for held in (self.keys, self.values):
            for layer, states in enumerate(held):
                held[layer] = states[prompts[:, None], :, rows].transpose(1, 2).contiguous()
        if self.blank is not None:
            self.blank = self.blank[prompts[:, None], :, rows].transpose(1, 2)


def products(queries: Tensor, keys: Tensor) -> Tensor:
    """queries [..., Q, D] with keys [..., K, D] in float32: bfloat16 scores would move the softmax by per cents."""
    with torch.autocast(queries.device.type, enabled=False):
        return queries.float() @ keys.float().transpose(-2, -1)

"""Key/value caches: growing ones for decoding without copying, repeated ones for completions that share a prefix."""

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer


class DecodeLayer(DynamicLayer):
    """A layer with room reserved: a step writes its keys and values in place instead of copying all before it."""

    def __init__(self, keys: Tensor, values: Tensor, rows: Tensor, room: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self.length = keys.shape[2]
        self.key_room, self.value_room = (_with_room(states, rows, room) for states in (keys, values))

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append [rows, heads, steps, dim]; returns all keys and values so far (views of the reserved room)."""
        end = self.length + key_states.shape[2]
        self.key_room[:, :, self.length:end] = key_states
        self.value_room[:, :, self.length:end] = value_states
        self.length = end
        return self.key_room[:, :, :end], self.value_room[:, :, :end]

    def get_seq_length(self) -> int:
        """Tokens held."""
        return int(self.length)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Drop all rows but these (int64)."""
        self.key_room, self.value_room = self.key_room[indices], self.value_room[indices]


def _with_room(states: Tensor, rows: Tensor, room: int) -> Tensor:
    heads, length, dim = states.shape[1:]
    out = states.new_empty((rows.shape[0], heads, length + room, dim))
    out[:, :, :length] = states[rows]
    return out


def decode_cache(prefix: DynamicCache, rows: Tensor, room: int) -> DynamicCache:
    """A cache for decoding: row r continues prefix `rows[r]`, with room for that many more tokens. No gradient."""
    cache = DynamicCache()
    cache.layers = [DecodeLayer(keys, values, rows, room) for keys, values in _states(prefix)]
    return cache


def shared_cache(prefix: DynamicCache, rows: Tensor) -> DynamicCache:
    """A cache in which row r holds the keys and values of prefix `rows[r]`; gradients flow back to the prefix."""
    cache = DynamicCache()
    for index, (keys, values) in enumerate(_states(prefix)):
        cache.update(keys[rows], values[rows], index)
    return cache


def _states(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]

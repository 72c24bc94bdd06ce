"""Counts the bytes of tensors exactly, on a machine that does other things too: all that live, and what autograd keeps.
"""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """While it is entered, `peak` is the most that tensors held together; what was there before is told by `count`."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._seen: set[int] = set()

    def count(self, tensor: Tensor) -> None:
        """Count this tensor's storage, once, until it is freed."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.count(leaf)
        return out


class SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """While it is entered, `total` grows by the storages that autograd keeps for backward, parameters left out."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        super().__init__(self._keep, lambda tensor: tensor)
        self.total = 0
        self._held: list[Tensor] = []  # alive, so that no storage's address is used again
        self._seen = {parameter.untyped_storage()._cdata for parameter in parameters}

    def __enter__(self) -> "SavedBytes":
        super().__enter__()
        return self

    def _keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen.add(storage._cdata)
            self._held.append(tensor)
            self.total += storage.nbytes()
        return tensor

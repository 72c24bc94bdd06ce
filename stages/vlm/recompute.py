"""Gradient checkpointing that keeps caches: a layer's insides are computed again in backward instead of being held.

The layers' own switch drops the cache; here the first keys and values stay part of the graph, which is what a shared
prefix needs.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_layers(layers: Iterable[nn.Module]) -> None:
    """Make these layers hold only their inputs when gradients are enabled."""
    for layer in layers:
        layer.forward = _recomputed(layer.forward)


def _recomputed(forward: Any) -> Any:
    def run(*states: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*states, **options)
        return checkpoint(forward, *states, use_reentrant=False, preserve_rng_state=False, **options)

    return run

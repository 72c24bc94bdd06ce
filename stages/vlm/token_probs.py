"""Log-probs of chosen tokens from hidden states, a slice of the vocabulary matrix's rows at a time."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_ELEMENTS = 2**26  # largest logits matrix held at once: 256 MiB in float32


def token_logprobs(head: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """log softmax(head(hidden) / temperature)[target], float32 [N], of hidden [N, D] and targets int64 [N].

    More than one chunk is recomputed in backward, so that a 152k vocabulary never stands in memory for all tokens.
    """
    rows = max(1, CHUNK_ELEMENTS // _vocabulary(head, hidden))
    if len(hidden) <= rows:
        return _chunk(head, hidden, targets, temperature)
    parts = [checkpoint(_chunk, head, own, goal, temperature, use_reentrant=False, preserve_rng_state=False)
             for own, goal in zip(hidden.split(rows), targets.split(rows), strict=True)]
    return torch.cat(parts)


def _vocabulary(head: Callable[[Tensor], Tensor], hidden: Tensor) -> int:
    return int(getattr(head, "out_features", 0)) or int(head(hidden[:1]).shape[-1])


def _chunk(head: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, temperature: float) -> Tensor:
    log_probs = (head(hidden).float() / temperature).log_softmax(-1)
    return log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)

"""Drawing the next token of many rows at once, each row from its own stream of random numbers."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from strive.stages.vlm.interface import Sampling

NEARLY_ONE = 1 - 1e-12
TINY = 1e-30


def row_seeds(generator: torch.Generator | None, rows: int) -> list[int]:
    """A seed for each row, drawn in row order: a batch split in two draws what the whole would have."""
    device = generator.device if generator is not None else torch.device("cpu")
    seeds: list[int] = torch.randint(2**62, (rows,), generator=generator, device=device, dtype=torch.int64).tolist()
    return seeds


def row_noise(seeds: Sequence[int], steps: int) -> Tensor:
    """Uniform numbers float64 [rows, steps] in [0, 1) on the CPU; row r's come from a generator seeded for it alone."""
    noise = torch.empty((len(seeds), steps), dtype=torch.float64)
    for row, seed in enumerate(seeds):
        torch.rand(steps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, out=noise[row])
    return noise


class Draw(NamedTuple):
    """ids int64 [R]; logprobs and entropy (nats) float32 [R] of the whole distributions; log_kept float32 [R], log of
    the mass that suppression, top-k and top-p left to draw from."""

    ids: Tensor
    logprobs: Tensor
    entropy: Tensor
    log_kept: Tensor


def draw(logits: Tensor, noise: Tensor | None, sampling: Sampling, suppressed: Tensor) -> Draw:
    """The next token of each row from logits [R, V].

    Log-probs and entropies are of softmax(logits / temperature) before top-k, top-p and suppression. The draw inverts
    the cumulative distribution at `noise` [R] (unused when greedy): the first token whose cumulated mass exceeds it.
    """
    scaled = logits.float() / (sampling.temperature or 1.0)
    log_probs = scaled.log_softmax(-1)
    allowed = scaled.index_fill(-1, suppressed, float("-inf"))
    probs = log_probs.exp()
    if sampling.temperature == 0 or noise is None:
        chosen, log_kept = allowed.argmax(-1), torch.zeros_like(log_probs[:, 0])
    else:
        left = _nucleus(_likeliest(allowed, sampling.top_k).softmax(-1), sampling.top_p)
        chosen, log_kept = _invert(left, noise), (probs * (left > 0)).sum(-1).clamp(min=TINY).log()
    entropy = -(probs * log_probs).nan_to_num(0.0).sum(-1)
    return Draw(chosen, log_probs.gather(-1, chosen.unsqueeze(-1)).squeeze(-1), entropy, log_kept)


def _likeliest(logits: Tensor, top_k: int) -> Tensor:
    """-inf for all but the `top_k` largest of each row; ties with the last of them stay."""
    if not 0 < top_k < logits.shape[-1]:
        return logits
    last = logits.topk(top_k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < last, float("-inf"))


def _nucleus(probs: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of likeliest tokens whose mass reaches `top_p` (Holtzman et al. 2020)."""
    if top_p >= 1:
        return probs
    ordered, index = probs.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probs).scatter(-1, index, ordered.masked_fill(before >= top_p, 0.0))


def _invert(probs: Tensor, noise: Tensor) -> Tensor:
    # mps has no float64; there the tail beyond 2^-24 is a little coarser
    exact = torch.float32 if probs.device.type == "mps" else torch.float64
    mass = probs.to(exact).cumsum(-1)
    point = (noise.to(exact).clamp(max=NEARLY_ONE).unsqueeze(-1) * mass[:, -1:])
    return torch.searchsorted(mass, point, right=True).squeeze(-1).clamp(max=probs.shape[-1] - 1)

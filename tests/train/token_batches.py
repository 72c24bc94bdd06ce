"""Ragged completions with log-probs, for the tests of the objectives."""

from dataclasses import replace

import torch
from torch import Tensor

from strive.configs.run_stages import TrainConfig
from strive.stages.train.objective.inputs import LossSettings, TokenBatch, Totals, group_tokens


def settings(loss: str = "dapo", **keys: object) -> LossSettings:
    """The defaults of `train` with the KL in the loss, and some keys changed."""
    return LossSettings.of(TrainConfig.model_validate({"loss": loss, "max_new_tokens": 10, **keys}))


def ragged(seed: int, rows: int = 16, longest: int = 9, spread: float = 0.3,
           dtype: torch.dtype = torch.float32) -> TokenBatch:
    """Rows of 1 to `longest` tokens, four to a question; ratios around 1, all fields set."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (rows,), generator=draw)
    mask = torch.arange(longest) < lengths[:, None]
    logp = -torch.rand(rows, longest, generator=draw, dtype=dtype) * 3
    old, ref = (logp + torch.randn(rows, longest, generator=draw, dtype=dtype) * spread for _ in range(2))
    sums = torch.tensor(group_tokens(lengths.tolist(), [i // 4 for i in range(rows)]), dtype=dtype)
    weight = torch.rand(rows, longest, generator=draw, dtype=dtype) + 0.5
    return TokenBatch(logp, old, torch.linspace(-1, 2, rows, dtype=dtype), mask, ref, weight, sums)


def part(batch: TokenBatch, rows: slice | Tensor) -> TokenBatch:
    """Some rows of a batch, as a micro-batch or in another order."""
    return replace(batch, **{name: value[rows] for name, value in vars(batch).items() if value is not None})


def with_gradient(batch: TokenBatch) -> tuple[TokenBatch, Tensor]:
    """The batch on a leaf of its own, and that leaf."""
    leaf = batch.logp.clone().requires_grad_()
    return replace(batch, logp=leaf), leaf


def totals(batch: TokenBatch) -> Totals:
    """Of a whole batch of four rows a question."""
    return Totals.of(batch.mask, groups=len(batch.mask) // 4)

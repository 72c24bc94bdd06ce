"""Policy-gradient losses over log-probs [rows, tokens]: each is a per-token objective and a way to average it.

Symbols: logp = log pi_theta(o_t | view, question, o_<t), old = the same under the policy that rolled out,
rho = exp(logp - old), A_i = the row's advantage, m = mask (1 up to and including the first end token), ref = logp of
the frozen initial policy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from strive.stages.train.loss_names import check_loss

KL_CLAMP = 20.0
"""Largest |ref - logp| that enters the k3 exponent (verl's bound), so that one odd token cannot overflow the loss."""


@dataclass(frozen=True)
class Totals:
    """What the whole batch is divided by; micro-batches share it, so that their losses simply add up."""

    tokens: int
    rows: int

    @staticmethod
    def of(mask: Tensor) -> "Totals":
        """Totals of a batch that is not split; `mask` bool [R, C]."""
        return Totals(int(mask.sum()), int(mask.any(dim=1).sum()))


def clipped(logp: Tensor, old: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """-min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A), [R, C] (PPO, arXiv 1707.06347, eq. 7)."""
    ratio = torch.exp(logp - old)
    column = advantages[:, None]
    return -torch.minimum(ratio * column, ratio.clamp(1 - clip_low, 1 + clip_high) * column)


def k3(logp: Tensor, ref: Tensor) -> Tensor:
    """exp(ref - logp) - (ref - logp) - 1 >= 0, an unbiased estimate of KL(pi || ref), [R, C] (GRPO eq. 4)."""
    gap = (ref - logp).clamp(-KL_CLAMP, KL_CLAMP)
    return torch.exp(gap) - gap - 1


def token_mean(values: Tensor, mask: Tensor, totals: Totals) -> Tensor:
    """Sum over all tokens / number of tokens in the whole batch: every token weighs the same."""
    return (values * mask).sum() / max(totals.tokens, 1)


def sequence_mean(values: Tensor, mask: Tensor, totals: Totals) -> Tensor:
    """Mean over rows of each row's mean over its tokens: every completion weighs the same."""
    return ((values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).sum() / max(totals.rows, 1)


def dapo(logp: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float,
         kl_beta: float = 0.0, ref: Tensor | None = None, totals: Totals | None = None) -> Tensor:
    """sum_i sum_t m (clipped + beta k3) / sum_i |o_i|   (DAPO, arXiv 2503.14476, eq. 8).

    logp, old, ref float [R, C]; advantages [R]; mask bool [R, C]; `totals` of the whole batch when it is split.
    Returns a scalar with the gradient of `logp`.
    """
    tokens = _objective(logp, old, advantages, mask, clip_low, clip_high, kl_beta, ref)
    return token_mean(tokens, mask, totals or Totals.of(mask))


def grpo(logp: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float,
         kl_beta: float = 0.0, ref: Tensor | None = None, totals: Totals | None = None) -> Tensor:
    """1/R sum_i 1/|o_i| sum_t m (clipped + beta k3)   (GRPO, arXiv 2402.03300, eq. 3). Arguments as in `dapo`."""
    tokens = _objective(logp, old, advantages, mask, clip_low, clip_high, kl_beta, ref)
    return sequence_mean(tokens, mask, totals or Totals.of(mask))


LOSSES: dict[str, Callable[..., Tensor]] = {"dapo": dapo, "grpo": grpo}


def loss_named(name: str) -> Callable[..., Tensor]:
    """The loss of `train.loss`; `UsageError` with the nearest name when there is none."""
    check_loss(name)
    return LOSSES[name]


def is_clipped(logp: Tensor, old: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """Where the bound is what counts, so that the token has no gradient; bool [R, C]."""
    ratio = torch.exp(logp - old)
    column = advantages[:, None]
    return ((ratio < 1 - clip_low) & (column < 0)) | ((ratio > 1 + clip_high) & (column > 0))


def _objective(logp: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, clip_low: float, clip_high: float,
               kl_beta: float, ref: Tensor | None) -> Tensor:
    hidden = ~mask
    logp, old = logp.masked_fill(hidden, 0.0), old.masked_fill(hidden, 0.0)
    tokens = clipped(logp, old, advantages, clip_low, clip_high)
    if kl_beta > 0:
        if ref is None:
            raise ValueError("kl_beta > 0 needs the reference log-probs")
        tokens = tokens + kl_beta * k3(logp, ref.masked_fill(hidden, 0.0))
    return tokens

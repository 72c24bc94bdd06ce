"""Policy-gradient objectives: each is a term for each token and a way to average it; `train.loss` picks one.

Symbols as in `loss_inputs.py`, and rho_t = exp(logp - old), w = `weight` (1 without), kl as in `kl.py`. All are losses:
the published objectives with a minus sign. Every scalar has the gradient of logp alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from strive.stages.train.objective.averages import budget_mean, group_mean, sequence_mean, token_mean
from strive.stages.train.objective.inputs import LossSettings, TokenBatch, Totals
from strive.stages.train.objective.kl import with_kl
from strive.stages.train.objective.names import check_loss

RATIO_CLAMP = 20.0
"""Largest |log ratio| (verl's bound): exp of more overflows, and 0 * inf would make the gradient NaN."""

Loss = Callable[[TokenBatch, LossSettings, Totals], Tensor]
Bound = Callable[[TokenBatch, LossSettings], Tensor]


def ratio(tokens: TokenBatch) -> Tensor:
    """rho = pi_theta(o_t) / pi_old(o_t), [R, C]."""
    return torch.exp((tokens.logp - tokens.old).clamp(-RATIO_CLAMP, RATIO_CLAMP))


def sequence_ratio(tokens: TokenBatch) -> Tensor:
    """s_i = (pi_theta(o_i) / pi_old(o_i))^(1/|o_i|) = exp(mean_t (logp - old)), [R, 1] (GSPO eq. 7)."""
    mean = (tokens.logp - tokens.old).sum(dim=1, keepdim=True) / tokens.mask.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.exp(mean.clamp(-RATIO_CLAMP, RATIO_CLAMP))


def clipped(rho: Tensor, advantages: Tensor, settings: LossSettings) -> Tensor:
    """-min(rho A, clip(rho, 1 - low, 1 + high) A)   (PPO, arXiv 1707.06347, eq. 7), [R, C] or [R, 1].

    With `clip_dual` c > 1, where A < 0, at most -c A: a token that became far likelier although it was bad does not
    take over the batch (dual clip, arXiv 1912.09729; verl's `clip_ratio_c`).
    """
    column = advantages[:, None]
    gain = torch.minimum(rho * column, rho.clamp(1 - settings.clip_low, 1 + settings.clip_high) * column)
    if settings.clip_dual > 0:
        gain = torch.where(column < 0, torch.maximum(gain, settings.clip_dual * column), gain)
    return -gain


def charged(policy_term: Tensor, tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """w * policy_term + kl_beta * kl, [R, C]; the weight is for the policy term alone."""
    weighted = policy_term if tokens.weight is None else policy_term * tokens.weight
    return with_kl(weighted, tokens, settings)


def clipped_tokens(tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """w * clipped(rho_t) + beta kl, [R, C]: what dapo, grpo, dr_grpo and bnpo average, each in its own way."""
    return charged(clipped(ratio(tokens), tokens.advantages, settings), tokens, settings)


def dapo(tokens: TokenBatch, settings: LossSettings, totals: Totals) -> Tensor:
    """sum_i sum_t m (w clipped + beta kl) / sum_i |o_i|   (DAPO, arXiv 2503.14476, eq. 8)."""
    return token_mean(clipped_tokens(tokens, settings), tokens, totals)


def grpo(tokens: TokenBatch, settings: LossSettings, totals: Totals) -> Tensor:
    """1/R sum_i 1/|o_i| sum_t m (w clipped + beta kl)   (GRPO, arXiv 2402.03300, eq. 3)."""
    return sequence_mean(clipped_tokens(tokens, settings), tokens, totals)


def dr_grpo(tokens: TokenBatch, settings: LossSettings, totals: Totals) -> Tensor:
    """sum_i sum_t m (w clipped + beta kl) / (R max_new_tokens)   (Dr. GRPO, arXiv 2503.20783, section 3.2).

    Its other half is an advantage that is not divided by the standard deviation: `advantage_scale: none`.
    """
    return budget_mean(clipped_tokens(tokens, settings), tokens, totals, settings)


def bnpo(tokens: TokenBatch, settings: LossSettings, totals: Totals) -> Tensor:
    """1/Q sum_q (sum over the tokens of question q of (w clipped + beta kl) / their number).

    TRL's `loss_type="bnpo"` divides by the tokens of the local batch, so there it depends on the batch size; this is
    what it gives with one question per device, made exact for any batch. Not the beta distribution of arXiv 2506.02864.
    """
    return group_mean(clipped_tokens(tokens, settings), tokens, totals)


def gspo(tokens: TokenBatch, settings: LossSettings, totals: Totals) -> Tensor:
    """1/R sum_i -min(s_i A_i, clip(s_i) A_i), gradient through s_i   (GSPO, arXiv 2507.18071, eq. 5-7).

    A completion is clipped as a whole. s_i moves far less than rho_t: the paper clips at 3e-4 and 4e-4. Weight and kl
    stay per token and are averaged over each completion first.
    """
    rows = clipped(sequence_ratio(tokens), tokens.advantages, settings)
    return sequence_mean(charged(rows.expand_as(tokens.logp), tokens, settings), tokens, totals)


def cispo(tokens: TokenBatch, settings: LossSettings, totals: Totals) -> Tensor:
    """sum_i sum_t m (-w sg[clip(rho, 1 - low, 1 + high)] A logp + beta kl) / sum_i |o_i|   (arXiv 2506.13585, eq. 4-5).

    sg: no gradient through the clipped ratio, so clipping bounds a token's weight and never silences it. The paper
    leaves the lower bound away, which is `clip_low` near 1 (ratios are never negative).
    """
    held = ratio(tokens).clamp(1 - settings.clip_low, 1 + settings.clip_high).detach()
    term = -held * tokens.advantages[:, None] * tokens.logp
    return token_mean(charged(term, tokens, settings), tokens, totals)


def reinforce(tokens: TokenBatch, settings: LossSettings, totals: Totals) -> Tensor:
    """sum_i sum_t m (-w A logp + beta kl) / sum_i |o_i|: no ratio and no clip, so `inner_epochs` should be 1.

    With `advantage_baseline: leave_one_out` and `advantage_scale: none` it is RLOO (arXiv 2402.14740), whose mean over
    completions of A log pi(o) it equals up to one factor for the whole batch, R / sum_i |o_i|.
    """
    return token_mean(charged(-tokens.advantages[:, None] * tokens.logp, tokens, settings), tokens, totals)


def clip_bound(rho: Tensor, tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """Where `clipped` is constant in rho: below 1 - low for A < 0, above 1 + high for A > 0, above c for A < 0."""
    column = tokens.advantages[:, None]
    bound = ((rho < 1 - settings.clip_low) & (column < 0)) | ((rho > 1 + settings.clip_high) & (column > 0))
    return bound | ((rho > settings.clip_dual) & (column < 0)) if settings.clip_dual > 0 else bound


def token_bound(tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """Tokens whose policy term has no gradient."""
    return clip_bound(ratio(tokens), tokens, settings)


def sequence_bound(tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """All tokens of the completions whose policy term has no gradient."""
    return clip_bound(sequence_ratio(tokens), tokens, settings).expand_as(tokens.mask)


def weight_bound(tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """Tokens whose ratio counts as the bound; they keep a gradient."""
    rho = ratio(tokens)
    return (rho < 1 - settings.clip_low) | (rho > 1 + settings.clip_high)


def nowhere(tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """The objective has no bound."""
    return torch.zeros_like(tokens.mask)


@dataclass(frozen=True)
class Objective:
    """A loss, and where its bound is at work (the metric `clip_frac`)."""

    loss: Loss
    bound: Bound


OBJECTIVES: dict[str, Objective] = {
    "dapo": Objective(dapo, token_bound),
    "grpo": Objective(grpo, token_bound),
    "dr_grpo": Objective(dr_grpo, token_bound),
    "bnpo": Objective(bnpo, token_bound),
    "gspo": Objective(gspo, sequence_bound),
    "cispo": Objective(cispo, weight_bound),
    "reinforce": Objective(reinforce, nowhere),
}


def loss_named(name: str) -> Loss:
    """The loss of `train.loss`; `UsageError` with the nearest name when there is none."""
    check_loss(name)
    return OBJECTIVES[name].loss


def is_clipped(tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """Where the bound of the objective `settings.loss` is at work; bool [R, C], False in padded places."""
    return OBJECTIVES[settings.loss].bound(tokens, settings) & tokens.mask

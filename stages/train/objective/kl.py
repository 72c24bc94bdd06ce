"""How far the policy has gone from the reference, estimated from sampled tokens: k1, k2, k3, in the loss or the reward.

Formulas: http://joschu.net/blog/kl-approx.html, with log r = ref - logp. As *values* on tokens drawn from the policy,
k1 and k3 have the expectation KL(pi || ref), k2 nearly. As *losses* they differ, because autograd does not see the
draw (expectations over tokens drawn from the present policy, next-token distributions):

    k1   E[grad] = 0: no pull towards the reference at all, only noise
    k2   E[grad] = grad KL(pi || ref): the right one
    k3   E[grad] = grad KL(ref || pi): the other direction, the same to first order near the reference (GRPO, eq. 4)

In the reward it is the other way about: k1 is right (E[(log pi - log ref) grad log pi] = grad KL), k2 and k3 are
biased. Every pair may be chosen, because published recipes do; the usual ones are k3 or k2 in the loss, k1 in the
reward. In the loss a token's KL sees that token alone, not what it leads to; in the reward it counts as a whole.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from strive.stages.train.objective.inputs import LossSettings, TokenBatch

KL_CLAMP = 20.0
"""Largest |ref - logp| that enters the k3 exponent (verl's bound), so that one odd token cannot overflow the loss."""


def k1(logp: Tensor, ref: Tensor) -> Tensor:
    """logp - ref, any sign, [R, C]: for the reward (RLOO, arXiv 2402.14740); in the loss its gradient is noise."""
    return logp - ref


def k2(logp: Tensor, ref: Tensor) -> Tensor:
    """(logp - ref)^2 / 2 >= 0, [R, C]: in the loss its expected gradient is that of KL(pi || ref)."""
    return (logp - ref).square() / 2


def k3(logp: Tensor, ref: Tensor) -> Tensor:
    """exp(ref - logp) - (ref - logp) - 1 >= 0, [R, C]: unbiased as a value, KL(ref || pi) as a gradient."""
    gap = (ref - logp).clamp(-KL_CLAMP, KL_CLAMP)
    return torch.exp(gap) - gap - 1


ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def with_kl(policy_term: Tensor, tokens: TokenBatch, settings: LossSettings) -> Tensor:
    """policy_term + kl_beta * estimator, [R, C]; with kl_beta 0 the reference is not read and may be None."""
    if settings.kl_beta == 0:
        return policy_term
    if tokens.ref is None:
        raise ValueError("kl_beta > 0 needs the reference log-probs")
    return policy_term + settings.kl_beta * ESTIMATORS[settings.kl_estimator](tokens.logp, tokens.ref)


def reward_kl(old: Tensor, ref: Tensor, settings: LossSettings) -> float:
    """What `kl_in: reward` takes off a completion's reward, before it is multiplied by `train.kl_beta`.

    Sum over the completion's tokens of the estimator; old, ref float [C] without padding. With k1 that is
    log pi_old(o) / pi_ref(o), the whole completion as one action (RLOO, arXiv 2402.14740).
    """
    return float(ESTIMATORS[settings.kl_estimator](old.detach().double(), ref.detach().double()).sum())

"""What every objective is given: the tokens of a micro-batch, the settings, and the totals of the whole batch.

Symbols: logp = log pi_theta(o_t | view, question, o_<t), old = the same under the policy that rolled out, ref = the
same under the frozen initial policy, A_i = the row's advantage, m = mask (1 up to and including the first end token).
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class LossConfig(Protocol):
    """The keys of `train` that an objective reads."""

    @property
    def loss(self) -> str: ...
    @property
    def clip_low(self) -> float: ...
    @property
    def clip_high(self) -> float: ...
    @property
    def clip_dual(self) -> float: ...
    @property
    def kl_beta(self) -> float: ...
    @property
    def kl_estimator(self) -> str: ...
    @property
    def kl_in(self) -> str: ...
    @property
    def max_new_tokens(self) -> int: ...


@dataclass(frozen=True)
class LossSettings:
    """The settings of an objective; `kl_beta` is 0 where the KL is charged to the reward, `clip_dual` 0 means none."""

    loss: str
    clip_low: float
    clip_high: float
    clip_dual: float
    kl_beta: float
    kl_estimator: str
    max_new_tokens: int

    @staticmethod
    def of(config: LossConfig) -> "LossSettings":
        """Out of the config of `train`."""
        beta = config.kl_beta if config.kl_in == "loss" else 0.0
        return LossSettings(config.loss, config.clip_low, config.clip_high, config.clip_dual, beta,
                            config.kl_estimator, config.max_new_tokens)


@dataclass(frozen=True)
class TokenBatch:
    """R completions of up to C tokens, padded on the right; what stands in padded places never counts: it is set to 0.

    logp, old, ref float [R, C], nats; only logp carries a gradient. advantages float [R]. mask bool [R, C].
    weight float [R, C]: pi_old / pi_rollout, capped (`truncated_weight`), on the policy term of each token.
    group_tokens float [R]: tokens of all counted rows of the row's question, here or in another micro-batch.
    """

    logp: Tensor
    old: Tensor
    advantages: Tensor
    mask: Tensor
    ref: Tensor | None = None
    weight: Tensor | None = None
    group_tokens: Tensor | None = None

    def __post_init__(self) -> None:
        if self.advantages.shape != self.logp.shape[:1] or self.mask.shape != self.logp.shape:
            raise ValueError(f"shapes do not agree: logp {tuple(self.logp.shape)}, mask {tuple(self.mask.shape)}, "
                             f"advantages {tuple(self.advantages.shape)}")
        hidden = ~self.mask
        object.__setattr__(self, "logp", self.logp.masked_fill(hidden, 0.0))
        for name in ("old", "ref", "weight"):
            value: Tensor | None = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, value.detach().masked_fill(hidden, 0.0))


@dataclass(frozen=True)
class Totals:
    """What the whole batch is divided by; micro-batches share it, so that their losses simply add up.

    tokens, rows: completion tokens, and completions with at least one. groups: questions with such a row.
    """

    tokens: int
    rows: int
    groups: int = 1

    @staticmethod
    def of(mask: Tensor, groups: int = 1) -> "Totals":
        """Totals of a batch that is not split; `mask` bool [R, C]."""
        return Totals(int(mask.sum()), int(mask.any(dim=1).sum()), groups)


def group_tokens(lengths: Sequence[int], group_ids: Sequence[Hashable]) -> list[float]:
    """For each row the tokens of all rows with its group id: `TokenBatch.group_tokens` of the whole batch."""
    sums: Counter[Hashable] = Counter()
    for length, group in zip(lengths, group_ids, strict=True):
        sums[group] += length
    return [float(sums[group]) for group in group_ids]


def truncated_weight(old: Tensor, sampled: Tensor, cap: float) -> Tensor:
    """min(pi_old / pi_rollout, cap) of each token, without gradient, [R, C]: truncated importance sampling.

    Corrects for the sampler drawing from another distribution than the training computes (top-p, suppressed tokens,
    another kernel). Ionides, Truncated Importance Sampling, 2008; TRL's `importance_sampling_ratio`. `cap` > 0.
    """
    return torch.exp((old - sampled).detach().clamp(max=20.0)).clamp(max=cap)

"""One training step behind a seam: an engine rolls out views and updates the policy on scored rows.

Rewards, advantages and objectives know nothing of engines, so another one replaces `PrefixEngine` by meeting `Engine`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from strive.stages.train.engine.rollout import Row, Shown
from strive.stages.train.objective.advantages import Advantages
from strive.stages.vlm.interface import Completion

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy


@dataclass(frozen=True)
class Update:
    """What an update did, as the metrics name it.

    applied: False when loss or gradients were not finite. rows: completions that went through the policy; those whose
    gradient is exactly zero do not. kl, clip_frac: means over their tokens and inner epochs (kl: None without a
    reference). gap_mean, gap_max: |log-prob in training - log-prob when sampled|, nats, before the first update; NaN
    without rows.
    """

    applied: bool
    rows: int
    loss: float
    kl: float | None
    clip_frac: float
    grad_norm: float
    lr: float
    gap_mean: float
    gap_max: float


class Engine(Protocol):
    """What the loop needs of a step."""

    def rollout(self, views: Sequence[Shown], n: int, seeds: Sequence[int]) -> list[list[Completion]]:
        """n completions for each view; those of view i depend on it and on `seeds[i]` alone."""

    def reference_kl(self, rows: Sequence[Row]) -> list[float]:
        """What `kl_in: reward` charges each row, before it is multiplied by `train.kl_beta`."""

    def update(self, rows: Sequence[Row], advantages: Advantages, step: int) -> Update:
        """One optimiser step (`inner_epochs` of them) on the rows that count; log-probs on each row's own view."""

    def forget(self) -> None:
        """Let go of what rollouts have left for an update that will not come."""

    def shrink(self) -> None:
        """Discard gradients and use about half the memory from now on."""


class Reference(Protocol):
    """Where the reference policy is found: another model, or this one with its adapter off."""

    def __call__(self) -> "AbstractContextManager[Policy]": ...


class Tally:
    """Sums over tokens, as tensors until the end so that a GPU is not waited for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Add a scalar."""
        self.sums[name] = self.sums[name] + value.detach() if name in self.sums else value.detach()

    def peak(self, name: str, value: Tensor) -> None:
        """Keep the largest."""
        self.sums[name] = torch.maximum(self.sums[name], value.detach()) if name in self.sums else value.detach()

    def get(self, name: str) -> float:
        """What was added; 0 when nothing was."""
        return float(self.sums[name]) if name in self.sums else 0.0

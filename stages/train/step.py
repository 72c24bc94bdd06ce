"""One training step behind a seam: an engine rolls out views and updates the policy on scored rows.

Rewards, advantages and losses know nothing of engines, so a faster one replaces `PlainEngine` by meeting `Engine`.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from strive.configs.run_stages import TrainConfig
from strive.stages.train.advantages import Advantages
from strive.stages.train.losses import Totals, is_clipped, k3, loss_named
from strive.stages.train.optimizer import Optimizer
from strive.stages.train.rollout import Row, Shown
from strive.stages.vlm.interface import Completion, Sampling, TokenLogprobs, ViewInputs, VisionFeatures

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy


@dataclass(frozen=True)
class Update:
    """What an update did, as the metrics name it; means over tokens and inner epochs.

    applied: False when loss or gradients were not finite. kl: None without a reference. gap_mean, gap_max: |log-prob in
    training - log-prob when sampled|, nats, before the first update.
    """

    applied: bool
    loss: float
    kl: float | None
    entropy: float
    clip_frac: float
    grad_norm: float
    lr: float
    gap_mean: float
    gap_max: float


class Engine(Protocol):
    """What the loop needs of a step."""

    def rollout(self, views: Sequence[Shown], n: int, seed: int) -> list[list[Completion]]:
        """n completions for each view; the draws depend on `seed` and the views alone."""

    def update(self, rows: Sequence[Row], advantages: Advantages, step: int) -> Update:
        """One optimiser step (`inner_epochs` of them) on the rows that count; log-probs on each row's own view."""

    def shrink(self) -> None:
        """Use about half the memory from now on."""


class Scores(Protocol):
    """A policy that can say how likely completions are: the trained one, or the reference."""

    def logprobs(self, views: Sequence[ViewInputs], completions: Sequence[Tensor], temperature: float = 1.0,
                 features: Sequence[VisionFeatures | None] | None = None) -> TokenLogprobs:
        """Row i: completion i given view i; `features` are those of the views where the tower has seen them."""


class Reference(Protocol):
    """Where the reference policy is found: another model, or this one with its adapter off."""

    def __call__(self) -> AbstractContextManager[Scores]: ...


@dataclass
class Batch:
    """A micro-batch: rows that go through one forward, and what is known of them before the update."""

    rows: list[Row]
    advantages: Tensor  # [R] on the policy's device
    old: Tensor | None = None  # [R, C], None: this very forward, detached
    ref: Tensor | None = None  # [R, C]


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

    def get(self, name: str, share: float = 1.0) -> float:
        """A sum times `share`; 0 when nothing was added."""
        return float(self.sums[name]) * share if name in self.sums else 0.0


class PlainEngine:
    """Rollout, then one forward and backward over all rows in micro-batches; rows of a view share its prefill."""

    def __init__(self, policy: "Policy", optimizer: Optimizer, config: TrainConfig,
                 reference: Reference | None = None) -> None:
        if config.kl_beta > 0 and reference is None:
            raise ValueError("kl_beta > 0 needs a reference")
        self.policy, self.optimizer, self.config, self.reference = policy, optimizer, config, reference
        self.loss = loss_named(config.loss)
        self.token_budget = config.tokens_per_microbatch

    def rollout(self, views: Sequence[Shown], n: int, seed: int) -> list[list[Completion]]:
        """Views are sampled together as long as prompts and longest completions fit the token budget."""
        sampling = Sampling(self.config.max_new_tokens, self.config.temperature, self.config.top_p)
        draws = torch.Generator().manual_seed(seed)
        made: list[list[Completion]] = []
        for part in packed([(v, sampling.max_new_tokens * n) for v in views], self.token_budget):
            shown = [views[i] for i in part]
            made += self.policy.generate([v.inputs for v in shown], n, sampling, draws, self._features(shown))
        return made

    def update(self, rows: Sequence[Row], advantages: Advantages, step: int) -> Update:
        """One pass over all micro-batches and one optimiser step per inner epoch, as long as all is finite."""
        places = [i for i in range(len(rows)) if advantages.counted[i] and len(rows[i].completion.ids)]
        totals = Totals(sum(len(rows[i].completion.ids) for i in places), len(places))
        batches = list(self._batches(rows, places, advantages))
        tally, applied, norm, lr = Tally(), bool(places), 0.0, 0.0
        for epoch in range(self.config.inner_epochs if places else 0):
            for batch in batches:
                self._accumulate(batch, totals, tally, first=epoch == 0)
            if not (applied := self._is_finite(tally)):
                self.optimizer.discard()
                break
            done = self.optimizer.apply(step)
            norm, lr, applied = done.grad_norm, done.lr, done.applied
            if not applied:
                break
        epochs, tokens = self.config.inner_epochs, max(totals.tokens, 1)
        kl = tally.get("kl", 1 / tokens / epochs) if self.config.kl_beta > 0 else None
        return Update(applied or not places, tally.get("loss", 1 / epochs), kl,
                      tally.get("entropy", 1 / tokens / epochs), tally.get("clipped", 1 / tokens / epochs), norm, lr,
                      tally.get("gap", 1 / tokens), tally.get("gap_max"))

    def shrink(self) -> None:
        """Half the tokens a forward."""
        self.token_budget = max(1, self.token_budget // 2)

    def _batches(self, rows: Sequence[Row], places: list[int], advantages: Advantages) -> Iterator[Batch]:
        """Micro-batches, with reference and stored old log-probs where the config needs them."""
        for part in packed([(rows[i].view, len(rows[i].completion.ids)) for i in places], self.token_budget):
            chosen = [places[j] for j in part]
            values = torch.tensor(advantages.values[chosen], dtype=torch.float32, device=self.policy.device)
            batch = Batch([rows[i] for i in chosen], values)
            with torch.no_grad():
                if self.config.inner_epochs > 1:
                    batch.old = self._logprobs(self.policy, batch).logprobs
                if self.config.kl_beta > 0 and self.reference is not None:
                    with self.reference() as reference:
                        batch.ref = self._logprobs(reference, batch).logprobs
            yield batch

    def _accumulate(self, batch: Batch, totals: Totals, tally: Tally, first: bool) -> None:
        """Add one micro-batch's gradient; the losses of all micro-batches sum to the batch's."""
        out = self._logprobs(self.policy, batch)
        logp, config = out.logprobs, self.config
        old = logp.detach() if batch.old is None else batch.old
        loss = self.loss(logp, old, batch.advantages, out.mask, clip_low=config.clip_low, clip_high=config.clip_high,
                         kl_beta=config.kl_beta, ref=batch.ref, totals=totals)
        loss.backward()
        now = logp.detach()
        tally.add("loss", loss)
        tally.add("entropy", (out.entropy * out.mask).sum())
        bound = is_clipped(now, old, batch.advantages, config.clip_low, config.clip_high)
        tally.add("clipped", (bound & out.mask).sum())
        if batch.ref is not None:
            tally.add("kl", (k3(now, batch.ref) * out.mask).sum())
        if first:
            gap = (now - sampled(batch.rows, now)).abs() * out.mask
            tally.add("gap", gap.sum())
            tally.peak("gap_max", gap.max())

    def _logprobs(self, policy: Scores, batch: Batch) -> TokenLogprobs:
        """Each completion on the view that it was sampled from."""
        views = [row.view for row in batch.rows]
        return policy.logprobs([view.inputs for view in views], [row.completion.ids for row in batch.rows],
                               self.config.temperature, self._features(views))

    def _features(self, views: Sequence[Shown]) -> list[VisionFeatures | None] | None:
        """What a frozen tower made of the views, on the policy's device; None for a tower in training."""
        if not self.policy.freeze_vision:
            return None
        return [placed(view.features, self.policy.device) for view in views]

    def _is_finite(self, tally: Tally) -> bool:
        return bool(torch.isfinite(tally.sums["loss"]))


def placed(features: VisionFeatures | None, device: torch.device) -> VisionFeatures | None:
    """The features on a device."""
    if features is None or features.tokens.device == device:
        return features
    return VisionFeatures(features.tokens.to(device), tuple(level.to(device) for level in features.deepstack))


def sampled(rows: Sequence[Row], like: Tensor) -> Tensor:
    """The log-probs that the rows had when they were sampled, padded with 0 to the shape and place of `like` [R, C]."""
    held = torch.zeros(like.shape, dtype=torch.float32)
    for i, row in enumerate(rows):
        held[i, : len(row.completion.logprobs)] = row.completion.logprobs
    return held.to(like.device)


def packed(parts: Sequence[tuple[Shown, int]], budget: int) -> list[list[int]]:
    """Consecutive places that go through one forward: padded prompts, each view once, and completions fit `budget`.

    `parts` are (view, completion tokens); one too large for the budget, in tokens, goes alone.
    """
    groups: list[list[int]] = []
    views: set[Shown] = set()
    longest = reply = 0
    for place, (view, tokens) in enumerate(parts):
        views, longest, reply = views | {view}, max(longest, len(view)), max(reply, tokens)
        if not groups or len(views) * longest + (len(groups[-1]) + 1) * reply > budget:
            groups.append([])
            views, longest, reply = {view}, len(view), tokens
        groups[-1].append(place)
    return groups

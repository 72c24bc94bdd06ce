"""The training step that reads each view once: one prefill serves its rollouts, its log-probs and their gradients.

The prefills of the rollout keep their graphs for the update, as many as fit `tokens_per_microbatch` together. The
completions then go through a micro-batch at a time, on leaves that collect the gradient of the prefix's keys and
values; one backward through the prefill ends the chunk. So memory does not grow with the number of rollouts, and the
gradient is that of every completion with its own copy of the prompt.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from strive.configs.run_stages import TrainConfig
from strive.stages.train.engine.chunks import Chunk, MicroBatch, chunks_of, groups_within, micro_batches
from strive.stages.train.engine.interface import Reference, Tally, Update
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.engine.rollout import Row, Shown
from strive.stages.train.objective.advantages import Advantages
from strive.stages.train.objective.inputs import LossSettings, TokenBatch, Totals, group_tokens, truncated_weight
from strive.stages.train.objective.kl import ESTIMATORS, reward_kl
from strive.stages.train.objective.objectives import is_clipped, loss_named
from strive.stages.vlm.interface import Completion, Sampling, TokenLogprobs, VisionFeatures
from strive.stages.vlm.sampling import row_seeds

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy
    from strive.stages.vlm.prefix import Prefix


class PrefixEngine:
    """Rollout and update of one policy. `ranks`: the processes whose gradients are summed."""

    def __init__(self, policy: "Policy", optimizer: Optimizer, config: TrainConfig,
                 reference: Reference | None = None, ranks: Ranks | None = None) -> None:
        if config.kl_beta > 0 and reference is None:
            raise ValueError("kl_beta > 0 needs a reference")
        self.policy, self.optimizer, self.config, self.reference = policy, optimizer, config, reference
        self.ranks = ranks or Ranks()
        self.settings, self.loss = LossSettings.of(config), loss_named(config.loss)
        self.token_budget = config.tokens_per_microbatch
        self._kept: list[tuple[list[Shown], Prefix]] = []

    def rollout(self, views: Sequence[Shown], n: int, seeds: Sequence[int]) -> list[list[Completion]]:
        """Views are sampled together as long as prompts and longest completions fit the token budget."""
        config = self.config
        sampling = Sampling(config.max_new_tokens, config.temperature, config.top_p, config.top_k,
                            config.min_new_tokens, config.stop)
        made: list[list[Completion]] = []
        for part in groups_within([len(view) + n * config.max_new_tokens for view in views], self.token_budget):
            shown = [views[i] for i in part]
            own = [seed for i in part for seed in row_seeds(torch.Generator().manual_seed(seeds[i]), n)]
            made += self.policy.complete(self._read_for_rollout(shown), n, sampling, own)
        return made

    @torch.no_grad()
    def reference_kl(self, rows: Sequence[Row]) -> list[float]:
        """Sums over each row's tokens, estimated at the log-probs it was sampled with."""
        charged = [0.0] * len(rows)
        for chunk in chunks_of(rows, range(len(rows)), [], self.token_budget):
            with self._reference() as reference:
                prefix = self._prefix(reference, chunk.views)
                for part in micro_batches(chunk, rows, self.token_budget):
                    scored = self._score(reference, prefix, chunk.views, [rows[place] for place in part])
                    for row, place in enumerate(part):
                        old = rows[place].completion.logprobs
                        charged[place] = reward_kl(old, scored.logprobs[row, : len(old)].cpu(), self.settings)
        return charged

    def update(self, rows: Sequence[Row], advantages: Advantages, step: int) -> Update:
        """One pass over all micro-batches and one optimiser step per inner epoch, as long as all is finite."""
        counted = [i for i in range(len(rows)) if advantages.counted[i] and len(rows[i].completion.ids)]
        totals = self._totals(rows, counted)
        chunks = self._chunks(rows, counted, advantages)
        tally, epochs, norm, lr = Tally(), 0, 0.0, 0.0
        for epoch in range(self.config.inner_epochs if totals.rows else 0):
            for chunk in chunks:
                self._accumulate(chunk, totals, tally, first=epoch == 0)
            if not self._is_finite(tally):
                self.optimizer.discard()
                break
            self.ranks.sum_gradients(self.optimizer)
            done = self.optimizer.apply(step)
            if not done.applied:
                norm = done.grad_norm
                break
            norm, lr, epochs = done.grad_norm, done.lr, epochs + 1
        return self._described(tally, chunks, epochs > 0 or not totals.rows, norm, lr)

    def forget(self) -> None:
        """Free the prefixes that rollouts have left."""
        self._kept.clear()

    def shrink(self) -> None:
        """Half the tokens a forward; gradients so far are discarded."""
        self.forget()
        self.optimizer.discard()
        self.token_budget = max(1, self.token_budget // 2)

    def _read_for_rollout(self, shown: list[Shown]) -> "Prefix":
        """The views' prefix; with its graph, and kept for the update, while all that is kept fits the token budget."""
        held = sum(len(view) for views, _ in self._kept for view in views)
        keep = torch.is_grad_enabled() and held + sum(map(len, shown)) <= self.token_budget
        with torch.set_grad_enabled(keep):
            prefix = self._prefix(self.policy, shown)
        if keep:
            self._kept.append((shown, prefix))
        return prefix

    def _totals(self, rows: Sequence[Row], counted: Sequence[int]) -> Totals:
        """Tokens, rows and questions of the whole batch, over all processes."""
        own = [sum(len(rows[i].completion.ids) for i in counted), len(counted),
               len({rows[i].group for i in counted})]
        return Totals(*(int(value) for value in self.ranks.sum(own)))

    def _chunks(self, rows: Sequence[Row], counted: Sequence[int], advantages: Advantages) -> list[Chunk]:
        """Chunks with their micro-batches, of the rows that have a gradient: an advantage of exactly 0 has none."""
        sums = group_tokens([len(rows[i].completion.ids) for i in counted], [rows[i].group for i in counted])
        of_group = dict(zip(counted, sums, strict=True))
        needed = [i for i in counted if self.settings.kl_beta > 0 or advantages.values[i] != 0]
        chunks = chunks_of(rows, needed, self._kept, self.token_budget)
        self.forget()
        device = self.policy.device
        for chunk in chunks:
            for part in micro_batches(chunk, rows, self.token_budget):
                chunk.batches.append(MicroBatch(
                    [rows[i] for i in part],
                    torch.tensor(advantages.values[part], dtype=torch.float32, device=device),
                    torch.tensor([of_group[i] for i in part], dtype=torch.float32, device=device)))
        return chunks

    def _accumulate(self, chunk: Chunk, totals: Totals, tally: Tally, first: bool) -> None:
        """Add the chunk's gradient; the losses of all micro-batches sum to the batch's."""
        if first and self.settings.kl_beta > 0:
            self._keep_reference(chunk)
        prefix = chunk.prefix if chunk.prefix is not None else self._prefix(self.policy, chunk.views)
        chunk.prefix = None
        leaves = prefix.detached()
        for batch in chunk.batches:
            self._accumulate_batch(leaves, chunk.views, batch, totals, tally, first)
        prefix.backward(leaves)
        self.optimizer.collect()

    def _accumulate_batch(self, leaves: "Prefix", views: Sequence[Shown], batch: MicroBatch, totals: Totals,
                          tally: Tally, first: bool) -> None:
        out = self._score(self.policy, leaves, views, batch.rows)
        if batch.old is None:
            batch.old = out.logprobs.detach()
        drawn, cap = sampled(batch.rows, batch.old), self.config.sampled_cap
        weight = truncated_weight(batch.old, drawn - log_kept(batch.rows, drawn), cap) if cap > 0 else None
        tokens = TokenBatch(out.logprobs, batch.old, batch.advantages, out.mask, batch.ref, weight, batch.group_tokens)
        loss = self.loss(tokens, self.settings, totals)
        loss.backward()
        self.optimizer.collect()
        tally.add("loss", loss)
        tally.add("tokens", out.mask.sum())
        with torch.no_grad():
            tally.add("clipped", is_clipped(tokens, self.settings).sum())
            if tokens.ref is not None:
                estimate = ESTIMATORS[self.settings.kl_estimator](tokens.logp, tokens.ref)
                tally.add("kl", (estimate * out.mask).sum())
            if first:
                gap = (tokens.logp - drawn).abs() * out.mask
                tally.add("gap", gap.sum())
                tally.peak("gap_max", gap.max())
                tally.add("first_tokens", out.mask.sum())

    @torch.no_grad()
    def _keep_reference(self, chunk: Chunk) -> None:
        with self._reference() as reference:
            prefix = self._prefix(reference, chunk.views)
            for batch in chunk.batches:
                batch.ref = self._score(reference, prefix, chunk.views, batch.rows).logprobs

    def _reference(self) -> "AbstractContextManager[Policy]":
        if self.reference is None:
            raise ValueError("no reference policy")
        return self.reference()

    def _prefix(self, policy: "Policy", views: Sequence[Shown]) -> "Prefix":
        """The prompts of these views; features of a frozen tower are given, else the policy's own looks at the pixels.
        """
        seen = [view.inputs for view in views]
        if any(view.features is None and view.inputs.pixel_values is not None for view in views):
            return policy.prefill(seen)
        return policy.prefill(seen, [placed(view.features, policy.device) for view in views])

    def _score(self, policy: "Policy", prefix: "Prefix", views: Sequence[Shown],
               rows: Sequence[Row]) -> TokenLogprobs:
        """Each completion on the view that it was sampled from."""
        used = list(dict.fromkeys(views.index(row.view) for row in rows))
        owners = [used.index(views.index(row.view)) for row in rows]
        return policy.score(prefix.select(used), owners, [row.completion.ids for row in rows], self.config.temperature)

    def _is_finite(self, tally: Tally) -> bool:
        """The same on all processes."""
        return bool(self.ranks.sum([0.0 if math.isfinite(tally.get("loss")) else 1.0])[0] == 0)

    def _described(self, tally: Tally, chunks: Sequence[Chunk], applied: bool, norm: float, lr: float) -> Update:
        names = ("loss", "tokens", "kl", "clipped", "gap", "first_tokens", "rows")
        tally.add("rows", torch.tensor(float(sum(len(b.rows) for c in chunks for b in c.batches))))
        sums = dict(zip(names, self.ranks.sum([tally.get(name) for name in names]), strict=True))
        tokens, first = max(sums["tokens"], 1.0), sums["first_tokens"]
        return Update(applied, int(sums["rows"]), sums["loss"] / self.config.inner_epochs,
                      sums["kl"] / tokens if self.settings.kl_beta > 0 else None, sums["clipped"] / tokens, norm, lr,
                      sums["gap"] / first if first else math.nan,
                      self.ranks.max(tally.get("gap_max")) if first else math.nan)


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


def log_kept(rows: Sequence[Row], like: Tensor) -> Tensor:
    """Log of the mass that each token was drawn from, padded with 0 to the shape and place of `like` [R, C]."""
    held = torch.zeros(like.shape, dtype=torch.float32)
    for i, row in enumerate(rows):
        if row.completion.log_kept is not None:
            held[i, : len(row.completion.log_kept)] = row.completion.log_kept
    return held.to(like.device)

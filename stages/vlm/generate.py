"""Rollout: each view is prefilled once, its completions decode together on copies of its cache, ended rows leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from strive.stages.vlm.batch import collate
from strive.stages.vlm.forward import continue_hidden, joined, prefill
from strive.stages.vlm.interface import Completion, Sampling, ViewInputs, VisionFeatures
from strive.stages.vlm.kv_cache import decode_cache
from strive.stages.vlm.sampling import draw, row_noise


@dataclass
class Drawn:
    """Everything sampled so far, for all rows: ids int64 [R, T], logprobs float32 [R, T], lengths int64 [R], ended."""

    ids: Tensor
    logprobs: Tensor
    lengths: Tensor
    ended: Tensor

    @staticmethod
    def empty(rows: int, steps: int, device: torch.device) -> "Drawn":
        return Drawn(torch.zeros((rows, steps), dtype=torch.int64, device=device),
                     torch.zeros((rows, steps), device=device),
                     torch.zeros(rows, dtype=torch.int64, device=device),
                     torch.zeros(rows, dtype=torch.bool, device=device))

    def add(self, rows: Tensor, step: int, ids: Tensor, logprobs: Tensor, end_ids: Tensor) -> None:
        """Record one token for each of `rows`; rows that had ended keep what they have."""
        live = ~self.ended[rows]
        self.ids[rows, step], self.logprobs[rows, step] = ids, logprobs
        self.lengths[rows] += live
        self.ended[rows] |= torch.isin(ids, end_ids)


@torch.no_grad()
def generate(policy: Any, views: Sequence[ViewInputs], n: int, sampling: Sampling, generator: torch.Generator | None,
             features: Sequence[VisionFeatures]) -> list[list[Completion]]:
    """`n` completions of each view, [view][n]; `features` of the views that have a video, in order."""
    batch = collate(views, policy.pad_id, policy.device)
    hidden, prefix = prefill(policy.core, policy.adapter, batch, joined(features))
    rows = torch.arange(len(views), device=policy.device).repeat_interleave(n)
    noise = None
    if sampling.temperature > 0:
        noise = row_noise(len(rows), sampling.max_new_tokens, generator)
        noise = noise.float().to(policy.device) if policy.device.type == "mps" else noise.to(policy.device)
    valid = None
    if batch.valid is not None:
        valid = torch.cat([batch.valid[rows], batch.valid.new_ones(len(rows), sampling.max_new_tokens)], dim=1)
    cache = decode_cache(prefix, rows, sampling.max_new_tokens - 1)
    drawn = _decode(policy, hidden[rows], cache, batch.next_positions[rows], valid, noise, sampling)
    flat = _completions(policy, drawn)
    return [flat[start:start + n] for start in range(0, len(flat), n)]


def _decode(policy: Any, hidden: Tensor, cache: DynamicCache, start: Tensor, valid: Tensor | None,
            noise: Tensor | None, sampling: Sampling) -> Drawn:
    """Sample until every row has ended or the limit is reached. `start` int64 [R]: position of the first token."""
    drawn = Drawn.empty(len(hidden), sampling.max_new_tokens, hidden.device)
    end_ids = torch.tensor(policy.eos_ids, device=hidden.device)
    rows = torch.arange(len(hidden), device=hidden.device)
    for step in range(sampling.max_new_tokens):
        logits = policy.core.lm_head(hidden)
        ids, logprobs = draw(logits, noise[rows, step] if noise is not None else None, sampling, policy.suppressed_ids)
        drawn.add(rows, step, ids, logprobs, end_ids)
        live = torch.nonzero(~drawn.ended[rows]).flatten()
        if len(live) == 0 or step + 1 == sampling.max_new_tokens:
            break
        if len(live) <= len(rows) // 2:  # copying the cache pays once half of the rows have ended
            rows, ids = rows[live], ids[live]
            cache.batch_select_indices(live)
        seen = valid[rows, :cache.get_seq_length() + 1] if valid is not None else None
        hidden = continue_hidden(policy.core, policy.adapter, ids.unsqueeze(1), (start[rows] + step).unsqueeze(1), seen, cache)[:, -1]
    return drawn


def _completions(policy: Any, drawn: Drawn) -> list[Completion]:
    ids, logprobs = drawn.ids.cpu(), drawn.logprobs.cpu()
    lengths, ended = drawn.lengths.tolist(), drawn.ended.tolist()
    own = [ids[row, :length].clone() for row, length in enumerate(lengths)]
    texts = policy.tokenizer.batch_decode([row.tolist() for row in own], skip_special_tokens=True)
    return [Completion(own[row], logprobs[row, :length].clone(), ended[row], texts[row])
            for row, length in enumerate(lengths)]

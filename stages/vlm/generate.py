"""Rollout: all rows of a prompt decode on its one prefix; rows that have ended leave the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from strive.stages.vlm.decoding import Decoding
from strive.stages.vlm.forward import continued_hidden
from strive.stages.vlm.interface import Completion, Sampling
from strive.stages.vlm.prefix import Prefix
from strive.stages.vlm.sampling import Draw, draw, row_noise

STOP_WINDOW = 32
"""Newest tokens in which a stop text is looked for."""


@dataclass
class Drawn:
    """All rows, prompt by prompt: ids int64 [R, T], logprobs float32 [R, T], lengths int64 [R], ended bool [R].

    entropy float32 [R]: sums over the row's tokens. log_kept float32 [R, T].
    """

    ids: Tensor
    logprobs: Tensor
    lengths: Tensor
    ended: Tensor
    entropy: Tensor
    log_kept: Tensor

    @staticmethod
    def empty(rows: int, steps: int, device: torch.device) -> "Drawn":
        return Drawn(torch.zeros((rows, steps), dtype=torch.int64, device=device),
                     torch.zeros((rows, steps), device=device),
                     torch.zeros(rows, dtype=torch.int64, device=device),
                     torch.zeros(rows, dtype=torch.bool, device=device), torch.zeros(rows, device=device),
                     torch.zeros((rows, steps), device=device))

    def add(self, rows: Tensor, step: int, new: Draw, end_ids: Tensor) -> None:
        """Record one token for each of `rows`; rows that had ended keep what they have."""
        live = ~self.ended[rows]
        self.ids[rows, step] = torch.where(live, new.ids, 0)
        self.logprobs[rows, step] = torch.where(live, new.logprobs, 0.0)
        self.log_kept[rows, step] = torch.where(live, new.log_kept, 0.0)
        self.lengths[rows] += live
        self.entropy[rows] += torch.where(live, new.entropy, 0.0)
        self.ended[rows] |= torch.isin(new.ids, end_ids)


@torch.no_grad()
def generate(policy: Any, prefix: Prefix, n: int, sampling: Sampling, seeds: Sequence[int]) -> list[list[Completion]]:
    """`n` completions of each prompt, [prompt][n]; row (prompt i, completion j) draws from `seeds[i · n + j]` alone."""
    device, count = policy.device, len(prefix.lengths)
    noise = None
    if sampling.temperature > 0:
        noise = row_noise(seeds, sampling.max_new_tokens)
        noise = noise.float().to(device) if device.type == "mps" else noise.to(device)
    drawn = Drawn.empty(count * n, sampling.max_new_tokens, device)
    _decode(policy, prefix, torch.arange(count * n, device=device).view(count, n), drawn, noise, sampling)
    flat = _completions(policy, drawn)
    return [flat[start:start + n] for start in range(0, len(flat), n)]


def _decode(policy: Any, prefix: Prefix, slots: Tensor, drawn: Drawn, noise: Tensor | None, sampling: Sampling) -> None:
    """Sample until every row has ended or the limit is reached. `slots` int64 [B, n]: the row that sits there."""
    state, ends = Decoding(prefix, slots.shape[1], sampling.max_new_tokens - 1), policy.end_ids
    held_back = torch.cat([policy.suppressed_ids, ends])
    start = prefix.next_positions
    hidden = prefix.last.unsqueeze(1).expand(-1, slots.shape[1], -1)
    for step in range(sampling.max_new_tokens):
        rows = slots.flatten()
        logits = policy.core.lm_head(hidden.flatten(0, 1))
        never = held_back if step < sampling.min_new_tokens else policy.suppressed_ids
        new = draw(logits, noise[rows, step] if noise is not None else None, sampling, never)
        drawn.add(rows, step, new, ends)
        if sampling.stop:
            _stop(policy, drawn, rows, sampling.stop)
        live = ~drawn.ended[slots]
        counts = live.sum(1)
        most, open_prompts = torch.stack([counts.max(), (counts > 0).sum()]).tolist()  # the one wait for the GPU
        if most == 0 or step + 1 == sampling.max_new_tokens:
            return
        ids = new.ids.view(slots.shape)
        if open_prompts * most <= slots.numel() // 2:  # copying pays once half of the rows are gone
            prompts = torch.nonzero(live.any(1)).flatten()
            kept = live[prompts].int().argsort(dim=1, descending=True, stable=True)[:, :most]
            state.keep(prompts, kept)
            slots, ids, start = (x[prompts].gather(1, kept) if x.dim() > 1 else x[prompts] for x in (slots, ids, start))
        at = (start + step).unsqueeze(1).expand(slots.shape)
        hidden = continued_hidden(policy.core, policy.adapter, ids, at, state)
        state.length += 1


def _stop(policy: Any, drawn: Drawn, rows: Tensor, texts: Sequence[str]) -> None:
    """End the rows whose newest tokens hold one of `texts`."""
    ended, lengths, ids = drawn.ended.tolist(), drawn.lengths.tolist(), drawn.ids.cpu()
    open_rows = [row for row in rows.tolist() if not ended[row]]
    tails = policy.tokenizer.batch_decode([ids[row, max(0, lengths[row] - STOP_WINDOW):lengths[row]].tolist()
                                           for row in open_rows])
    stopped = [row for row, tail in zip(open_rows, tails, strict=True) if any(text in tail for text in texts)]
    drawn.ended[torch.tensor(stopped, dtype=torch.int64, device=rows.device)] = True


def _completions(policy: Any, drawn: Drawn) -> list[Completion]:
    ids, logprobs, entropy = drawn.ids.cpu(), drawn.logprobs.cpu(), drawn.entropy.tolist()
    lengths, ended = drawn.lengths.tolist(), drawn.ended.tolist()
    own = [ids[row, :length].clone() for row, length in enumerate(lengths)]
    texts = policy.tokenizer.batch_decode([row.tolist() for row in own], skip_special_tokens=True)
    kept = drawn.log_kept.cpu()
    return [Completion(own[row], logprobs[row, :length].clone(), ended[row], texts[row], entropy[row] / max(length, 1),
                       kept[row, :length].clone())
            for row, length in enumerate(lengths)]

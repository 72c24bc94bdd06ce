"""Rollout and replies: all rows of a prompt decode on its one prefix; rows that have ended leave the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from strive.stages.vlm.decoding import Decoding
from strive.stages.vlm.forward import continued_hidden
from strive.stages.vlm.interface import Completion, Sampling, ViewInputs
from strive.stages.vlm.prefix import Prefix
from strive.stages.vlm.questions import lay_out, read_tails
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


@dataclass
class Seats:
    """Where rows sit beside each other: rows int64 [B, n]; hidden [B, n, D], from which their first tokens are
    predicted; start int64 [B, n], the positions of these."""

    rows: Tensor
    hidden: Tensor
    start: Tensor


@torch.no_grad()
def generate(policy: Any, prefix: Prefix, n: int, sampling: Sampling, seeds: Sequence[int]) -> list[list[Completion]]:
    """`n` completions of each prompt, [prompt][n]; row (prompt i, completion j) draws from `seeds[i · n + j]` alone."""
    device, count = policy.device, len(prefix.lengths)
    seats = Seats(torch.arange(count * n, device=device).view(count, n), prefix.last.unsqueeze(1).expand(-1, n, -1),
                  prefix.next_positions.unsqueeze(1).expand(-1, n))
    drawn = Drawn.empty(count * n, sampling.max_new_tokens, device)
    state = Decoding(prefix, n, sampling.max_new_tokens - 1)
    _decode(policy, state, seats, drawn, _noise(seeds, sampling, device), sampling)
    flat = _completions(policy, drawn)
    return [flat[start:start + n] for start in range(0, len(flat), n)]


@torch.no_grad()
def reply(policy: Any, prefix: Prefix, questions: Sequence[Sequence[ViewInputs]], sampling: Sampling,
          seeds: Sequence[int]) -> list[list[Completion]]:
    """One completion of each prompt, [view][question]; questions[b] begin with prompt b of `prefix`. One seed each."""
    device, count = policy.device, len(seeds)
    tails = lay_out(prefix, questions, policy.pad_id)
    state, hidden = read_tails(policy, prefix, tails, sampling.max_new_tokens - 1)
    rows = torch.full(tails.start.shape, count)  # the row after the last is that of empty seats: ended from the start
    numbers = iter(range(count))
    for b, own in enumerate(questions):
        rows[b, :len(own)] = torch.tensor([next(numbers) for _ in own], dtype=torch.int64)
    drawn = Drawn.empty(count + 1, sampling.max_new_tokens, device)
    drawn.ended[-1] = True
    _decode(policy, state, Seats(rows.to(device), hidden, tails.start), drawn, _noise([*seeds, 0], sampling, device),
            sampling)
    flat = iter(_completions(policy, drawn))
    return [[next(flat) for _ in own] for own in questions]


def _noise(seeds: Sequence[int], sampling: Sampling, device: torch.device) -> Tensor | None:
    if sampling.temperature <= 0:
        return None
    noise = row_noise(seeds, sampling.max_new_tokens)
    return noise.float().to(device) if device.type == "mps" else noise.to(device)


def _decode(policy: Any, state: Decoding, seats: Seats, drawn: Drawn, noise: Tensor | None, sampling: Sampling) -> None:
    """Sample until every row has ended or the limit is reached."""
    ends, slots, start, hidden = policy.end_ids, seats.rows, seats.start, seats.hidden
    held_back = torch.cat([policy.suppressed_ids, ends])
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
            slots, ids, start = (seat[prompts].gather(1, kept) for seat in (slots, ids, start))
        hidden = continued_hidden(policy.core, policy.adapter, ids, start + step, state)
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

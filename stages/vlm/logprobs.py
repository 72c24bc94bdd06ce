"""Log-probs of given completions, each on its own view: the view's prefix is computed once for all its completions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from strive.stages.vlm.batch import collate
from strive.stages.vlm.forward import continue_hidden, joined, prefill, prompt_hidden
from strive.stages.vlm.interface import TokenLogprobs, ViewInputs, VisionFeatures
from strive.stages.vlm.kv_cache import shared_cache
from strive.stages.vlm.token_probs import token_logprobs
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def logprobs(policy: Any, views: Sequence[ViewInputs], rows: Sequence[int], completions: Sequence[Tensor],
             temperature: float, features: Sequence[VisionFeatures | None], share_prefix: bool = True) -> TokenLogprobs:
    """Row r is completion r (int64 [C_r], at least one token) given `views[rows[r]]`; `features` belong to `views`."""
    ids = pad_sequence(list(completions), batch_first=True, padding_value=policy.pad_id)
    mask = torch.arange(ids.shape[1]) < torch.tensor([len(own) for own in completions]).unsqueeze(1)
    places = torch.nonzero(mask.flatten()).flatten().to(policy.device)
    ids, mask = ids.to(policy.device), mask.to(policy.device)
    predict = shared_hidden if share_prefix else repeated_hidden
    hidden = predict(policy, views, rows, ids, completions, features)  # [R, C, D]
    values, entropy = token_logprobs(policy.core.lm_head, hidden.flatten(0, 1)[places], ids.flatten()[places],
                                     temperature)
    blank = torch.zeros(ids.numel(), device=policy.device)
    return TokenLogprobs(blank.index_copy(0, places, values).view(ids.shape),
                         blank.index_copy(0, places, entropy).view(ids.shape), mask)


def shared_hidden(policy: Any, views: Sequence[ViewInputs], rows: Sequence[int], ids: Tensor,
                  completions: Sequence[Tensor], features: Sequence[VisionFeatures | None]) -> Tensor:
    """The states that predict each completion token, [R, C, D]: one prefill per view, completions on its cache.

    Completions are padded on the right, where causality keeps the padding from what is read.
    """
    batch = collate(views, policy.pad_id, policy.device)
    last, prefix = prefill(policy.core, policy.adapter, batch, joined([own for own in features if own is not None]))
    owner = torch.tensor(list(rows)).to(policy.device)
    first = last[owner].unsqueeze(1)
    steps = ids.shape[1] - 1
    if steps == 0:
        return first
    valid = None
    if batch.valid is not None:
        valid = torch.cat([batch.valid[owner], batch.valid.new_ones(len(owner), steps)], dim=1)
    positions = batch.next_positions[owner].unsqueeze(1) + torch.arange(steps, device=policy.device)
    rest = continue_hidden(policy.core, ids[:, :-1], positions, valid, shared_cache(prefix, owner))
    return torch.cat([first, rest], dim=1)


def repeated_hidden(policy: Any, views: Sequence[ViewInputs], rows: Sequence[int], ids: Tensor,
                    completions: Sequence[Tensor], features: Sequence[VisionFeatures | None]) -> Tensor:
    """The same states from the whole sequence of every row, the view repeated: slow, without any cache.

    The reference that `shared_hidden` is tested against, and the way under gradient checkpointing, where the layers
    drop the cache.
    """
    whole = [_with_completion(views[row], own) for row, own in zip(rows, completions, strict=True)]
    batch = collate(whole, policy.pad_id, policy.device)
    own_features = [features[row] for row in rows]
    hidden = prompt_hidden(policy.core, policy.adapter, batch, joined([own for own in own_features if own is not None]))
    out = hidden.new_zeros(*ids.shape, hidden.shape[-1])
    for row, own in enumerate(completions):
        out[row, :len(own)] = hidden[row, -len(own) - 1:-1]
    return out


def _with_completion(view: ViewInputs, completion: Tensor) -> ViewInputs:
    positions = (view.next_position + torch.arange(len(completion))).expand(view.position_ids.shape[0], -1)
    return replace(
        view, input_ids=torch.cat([view.input_ids, completion]),
        position_ids=torch.cat([view.position_ids, positions], dim=1),
        mm_token_type_ids=torch.cat([view.mm_token_type_ids, torch.zeros_like(completion)]),
    )

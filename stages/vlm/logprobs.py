"""Log-probs of given completions, each on its own view: the view's prefix is computed once for all its completions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from strive.stages.vlm.batch import PromptBatch, collate
from strive.stages.vlm.forward import continue_hidden, joined, prefill, prompt_hidden
from strive.stages.vlm.interface import TokenLogprobs, ViewInputs, VisionFeatures
from strive.stages.vlm.kv_cache import shared_cache
from strive.stages.vlm.token_probs import token_logprobs


def logprobs(policy: Any, views: Sequence[ViewInputs], rows: Sequence[int], completions: Sequence[Tensor],
             temperature: float, features: Sequence[VisionFeatures | None], share_prefix: bool = True) -> TokenLogprobs:
    """Row r is completion r (int64 [C_r], at least one token) given `views[rows[r]]`; `features` belong to `views`."""
    ids = pad_sequence(list(completions), batch_first=True, padding_value=policy.pad_id)
    mask = torch.arange(ids.shape[1]) < torch.tensor([len(own) for own in completions]).unsqueeze(1)
    places = torch.nonzero(mask.flatten()).flatten().to(policy.device)
    ids, mask = ids.to(policy.device), mask.to(policy.device)
    if share_prefix:
        batch = collate(views, policy.pad_id, policy.device)
        owner = torch.tensor(list(rows)).to(policy.device)
        found = joined([own for own in features if own is not None])
        hidden = shared_hidden(policy.core, policy.adapter, batch, found, owner, ids)  # [R, C, D]
    else:
        hidden = repeated_hidden(policy, [views[row] for row in rows], completions, [features[row] for row in rows])
    values, entropy = token_logprobs(policy.core.lm_head, hidden.flatten(0, 1)[places], ids.flatten()[places],
                                     temperature)
    blank = torch.zeros(ids.numel(), device=policy.device)
    return TokenLogprobs(blank.index_copy(0, places, values).view(ids.shape),
                         blank.index_copy(0, places, entropy).view(ids.shape), mask)


def shared_hidden(core: Any, adapter: Any, batch: PromptBatch, features: VisionFeatures | None, owner: Tensor,
                  ids: Tensor) -> Tensor:
    """The states that predict each token of completions `ids` int64 [R, C]: [R, C, D]. Row r continues prompt owner[r].

    One prefill per prompt, the completions on copies of its cache, through which their gradients reach the prefill.
    Completions are padded on the right, where causality keeps the padding from what is read.
    """
    last, prefix = prefill(core, adapter, batch, features)
    first = last[owner].unsqueeze(1)
    steps = ids.shape[1] - 1
    if steps == 0:
        return first
    valid = None
    if batch.valid is not None:
        valid = torch.cat([batch.valid[owner], batch.valid.new_ones(len(owner), steps)], dim=1)
    positions = batch.next_positions[owner].unsqueeze(1) + torch.arange(steps, device=ids.device)
    rest = continue_hidden(core, adapter, ids[:, :-1], positions, valid, shared_cache(prefix, owner))
    return torch.cat([first, rest], dim=1)


def repeated_hidden(policy: Any, views: Sequence[ViewInputs], completions: Sequence[Tensor],
                    features: Sequence[VisionFeatures | None]) -> Tensor:
    """The same states from the whole sequence of every row, each with its view and features: slow, without a cache.

    The reference that `shared_hidden` is tested against, and the way under gradient checkpointing, where the layers
    drop the cache.
    """
    whole = [_with_completion(view, own) for view, own in zip(views, completions, strict=True)]
    batch = collate(whole, policy.pad_id, policy.device)
    hidden = prompt_hidden(policy.core, policy.adapter, batch, joined([own for own in features if own is not None]))
    starts = [len(view) - 1 for view in views]
    return pad_sequence([hidden[row, start:start + len(own)]
                         for row, (start, own) in enumerate(zip(starts, completions, strict=True))], batch_first=True)


def _with_completion(view: ViewInputs, completion: Tensor) -> ViewInputs:
    positions = (view.next_position + torch.arange(len(completion))).expand(view.position_ids.shape[0], -1)
    return replace(
        view, input_ids=torch.cat([view.input_ids, completion]),
        position_ids=torch.cat([view.position_ids, positions], dim=1),
        mm_token_type_ids=torch.cat([view.mm_token_type_ids, torch.zeros_like(completion)]),
    )

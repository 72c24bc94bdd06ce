"""Log-probs of given completions, each on its own view: the view's prefix is computed once for all its completions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from strive.stages.vlm.batch import collate
from strive.stages.vlm.forward import continued_hidden, joined, prompt_hidden
from strive.stages.vlm.interface import TokenLogprobs, ViewInputs, VisionFeatures
from strive.stages.vlm.packed import PackedAttention, pack
from strive.stages.vlm.prefix import Prefix
from strive.stages.vlm.token_probs import token_logprobs


def score(policy: Any, prefix: Prefix, owners: Sequence[int], completions: Sequence[Tensor],
          temperature: float) -> TokenLogprobs:
    """Row r is completion r (int64 [C_r], at least one token) given prompt `owners[r]` of `prefix`."""
    packed = pack(prefix, owners, completions, policy.pad_id)
    states = prefix.last
    if packed.ids.shape[1]:
        continued = continued_hidden(policy.core, policy.adapter, packed.ids, packed.positions,
                                     PackedAttention(prefix, packed))
        states = torch.cat([states, continued.flatten(0, 1)])
    return _of_states(policy, states[packed.places], completions, temperature)


def repeated(policy: Any, views: Sequence[ViewInputs], completions: Sequence[Tensor], temperature: float,
             features: Sequence[VisionFeatures | None]) -> TokenLogprobs:
    """The same from the whole sequence of every row, each with its view and features: slow, nothing shared.

    The reference that `score` is tested against.
    """
    whole = [_with_completion(view, own) for view, own in zip(views, completions, strict=True)]
    batch = collate(whole, policy.pad_id, policy.device)
    hidden = prompt_hidden(policy.core, policy.adapter, batch, joined([own for own in features if own is not None]))
    states = torch.cat([hidden[row, len(view) - 1:len(view) - 1 + len(own)]
                        for row, (view, own) in enumerate(zip(views, completions, strict=True))])
    return _of_states(policy, states, completions, temperature)


def _of_states(policy: Any, states: Tensor, completions: Sequence[Tensor], temperature: float) -> TokenLogprobs:
    """`states` [T, hidden] predict the tokens of all completions, one after another."""
    targets = torch.cat(list(completions)).to(policy.device)
    values = token_logprobs(policy.core.lm_head, states, targets, temperature)
    lengths = torch.tensor([len(own) for own in completions])
    mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
    places = torch.nonzero(mask.flatten()).flatten().to(policy.device)
    blank = torch.zeros(mask.numel(), device=policy.device)
    return TokenLogprobs(blank.index_copy(0, places, values).view(mask.shape), mask.to(policy.device))


def _with_completion(view: ViewInputs, completion: Tensor) -> ViewInputs:
    positions = (view.next_position + torch.arange(len(completion))).expand(view.position_ids.shape[0], -1)
    return replace(
        view, input_ids=torch.cat([view.input_ids, completion]),
        position_ids=torch.cat([view.position_ids, positions], dim=1),
        mm_token_type_ids=torch.cat([view.mm_token_type_ids, torch.zeros_like(completion)]),
    )

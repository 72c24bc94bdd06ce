"""Several prompts as one left-padded batch on the device, with everything data-dependent worked out on the CPU."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from strive.stages.vlm.interface import ViewInputs
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """Left-padded prompts: the last column is every prompt's last token.

    input_ids int64 [B, L]; position_ids int64 [P, B, L]; valid bool [B, L], or None when nothing is padding;
    next_positions int64 [B]; visual_index int64 [N]: flat places in [B · L] of the placeholders, in order.
    """

    input_ids: Tensor
    position_ids: Tensor
    valid: Tensor | None
    next_positions: Tensor
    visual_index: Tensor

    @property
    def length(self) -> int:
        return int(self.input_ids.shape[1])


def collate(views: Sequence[ViewInputs], pad_id: int, device: torch.device) -> PromptBatch:
    """Pad on the left to the longest prompt."""
    length = max(len(view) for view in views)
    gaps = [length - len(view) for view in views]
    ids = torch.stack([pad(view.input_ids, (gap, 0), value=pad_id) for view, gap in zip(views, gaps, strict=True)])
    positions = torch.stack([pad(view.position_ids, (gap, 0)) for view, gap in zip(views, gaps, strict=True)], dim=1)
    visual = torch.stack([pad(view.mm_token_type_ids, (gap, 0)) for view, gap in zip(views, gaps, strict=True)])
    valid = None
    if any(gaps):
        valid = (torch.arange(length) >= torch.tensor(gaps).unsqueeze(1)).to(device)
    return PromptBatch(
        ids.to(device), positions.to(device), valid, torch.tensor([view.next_position for view in views]).to(device),
        torch.nonzero(visual.flatten()).flatten().to(device),
    )


def causal_mask(valid: Tensor | None, queries: int, keys: int, device: torch.device) -> Tensor | None:
    """bool [B or 1, 1, queries, keys], True = attends; None where plain causal attention of equal lengths is meant.

    The queries are the last `queries` of `keys`. A padding query attends to itself: a row without any key would be NaN.
    """
    if valid is None and queries in (1, keys):
        return None
    if valid is not None and queries == 1:
        return valid[:, None, None]
    rows = torch.arange(keys - queries, keys, device=device).unsqueeze(1)
    columns = torch.arange(keys, device=device).unsqueeze(0)
    causal = (columns <= rows).unsqueeze(0)
    if valid is None:
        return causal.unsqueeze(1)
    return ((causal & valid.unsqueeze(1)) | (columns == rows).unsqueeze(0)).unsqueeze(1)


def for_attention(mask: Tensor | None, implementation: str, dtype: torch.dtype) -> Tensor | None:
    """The boolean mask in the form that the attention implementation takes (eager adds it to the scores)."""
    if mask is None or implementation != "eager":
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)

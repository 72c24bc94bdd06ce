"""Several prompts as one right-padded batch on the device, with everything data-dependent worked out on the CPU."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from strive.stages.vlm.interface import ViewInputs


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """Right-padded prompts: causal attention alone keeps padding from every token, so that prefill needs no mask.

    input_ids int64 [B, L]; position_ids int64 [P, B, L]; last int64 [B]: the column of each prompt's last token;
    valid bool [B, L], or None when nothing is padding; next_positions int64 [B];
    visual_index int64 [N]: flat places in [B · L] of the placeholders, in order.
    """

    input_ids: Tensor
    position_ids: Tensor
    last: Tensor
    valid: Tensor | None
    next_positions: Tensor
    visual_index: Tensor


def collate(views: Sequence[ViewInputs], pad_id: int, device: torch.device) -> PromptBatch:
    """Pad on the right to the longest prompt."""
    lengths = torch.tensor([len(view) for view in views])
    gaps = (lengths.max() - lengths).tolist()
    ids = torch.stack([pad(view.input_ids, (0, gap), value=pad_id) for view, gap in zip(views, gaps, strict=True)])
    positions = torch.stack([pad(view.position_ids, (0, gap)) for view, gap in zip(views, gaps, strict=True)], dim=1)
    visual = torch.stack([pad(view.mm_token_type_ids, (0, gap)) for view, gap in zip(views, gaps, strict=True)])
    valid = (torch.arange(ids.shape[1]) < lengths.unsqueeze(1)).to(device) if any(gaps) else None
    return PromptBatch(
        ids.to(device), positions.to(device), (lengths - 1).to(device), valid,
        torch.tensor([view.next_position for view in views]).to(device),
        torch.nonzero(visual.flatten()).flatten().to(device),
    )

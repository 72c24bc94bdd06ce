"""Qwen2-VL: a video has an order but no times, unless they are written into the prompt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.vision_utils import get_vision_position_ids

from strive.stages.vlm.positions import VisualBlock
from strive.stages.vlm.qwen import QwenAdapter, frame_lengths
from strive.stages.vlm.vision_attention import Segments


class Qwen2VL(QwenAdapter):
    """One block per video; the temporal position of a patch is its number."""

    def blocks(self, grid: Sequence[int], times: np.ndarray) -> list[VisualBlock]:
        """The weights were trained with steps of one, however far apart the frames are."""
        return [VisualBlock(tuple(range(grid[0])), grid[1] // self.merge, grid[2] // self.merge)]

    def tower_inputs(self, grids: Tensor, device: torch.device) -> dict[str, Any]:
        """Patch positions and the lengths of frames."""
        return {"position_ids": get_vision_position_ids(grids, self.merge).to(device),
                "cu_seqlens": Segments.of(frame_lengths(grids), device)}

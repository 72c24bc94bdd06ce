"""Qwen2.5-VL: times reach the model as temporal rotary positions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from strive.stages.vlm.positions import VisualBlock
from strive.stages.vlm.qwen import QwenAdapter, frame_lengths
from strive.stages.vlm.vision_attention import Segments


class Qwen25VL(QwenAdapter):
    """One block per video; the temporal position of a patch is floor(tokens_per_second × mean time of its frames)."""

    times_in_video = True

    def blocks(self, grid: Sequence[int], times: np.ndarray) -> list[VisualBlock]:
        """Times count from the container's start, so that two samplings of one video differ in their positions.

        The product is rounded to 1e-6 before the floor: a time stored as 1.4999999999 is meant as 1.5.
        """
        per_second = float(self.config.vision_config.tokens_per_second)
        ticks = np.floor(np.round(per_second * times, 6)).astype(np.int64)
        return [VisualBlock(tuple(ticks.tolist()), grid[1] // self.merge, grid[2] // self.merge)]

    def tower_inputs(self, grids: Tensor, device: torch.device) -> dict[str, Any]:
        """Patch positions, the order of patches by window, and the lengths of windows and frames."""
        vision = self.config.vision_config
        window_index, window_ends = get_vision_window_index(
            grids, spatial_merge_size=self.merge, window_size=vision.window_size, patch_size=vision.patch_size,
        )
        return {
            "position_ids": get_vision_position_ids(grids, self.merge).to(device),
            "window_index": window_index.to(device),
            "cu_window_seqlens": Segments.of(torch.diff(window_ends).tolist(), device),
            "cu_seqlens": Segments.of(frame_lengths(grids), device),
        }

"""Qwen3-VL: times reach the model as a text before each temporal patch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

from strive.stages.vlm.interface import VisionFeatures
from strive.stages.vlm.positions import VisualBlock
from strive.stages.vlm.qwen import QwenAdapter, frame_lengths
from strive.stages.vlm.vision_attention import Segments


class Qwen3VL(QwenAdapter):
    """One block per temporal patch, each after its timestamp; deepstack levels join the first decoder layers."""

    times_in_video = True

    def blocks(self, grid: Sequence[int], times: np.ndarray) -> list[VisualBlock]:
        """Each patch is a picture of its own: temporal offset 0."""
        return [VisualBlock((0,), grid[1] // self.merge, grid[2] // self.merge)] * grid[0]

    def visual_text(self, grid: Sequence[int], times: np.ndarray) -> str:
        """`<12.5 seconds>` and the patch's placeholders, for each patch.

        As in the released processor (transformers 4.57) the whole `vision_start video_pad vision_end` of the template
        is replaced; 5.23 replaces `video_pad` alone and so wraps everything in one more pair, which the weights have
        not seen.
        """
        return "".join(f"<{second:.1f} seconds>{self.wrapped(grid[1] * grid[2])}" for second in times.tolist())

    def tower_inputs(self, grids: Tensor, device: torch.device) -> dict[str, Any]:
        """Patch positions, the taps of the learned position grid, and the lengths of frames."""
        side = int(self.config.vision_config.num_position_embeddings**0.5)
        taps, weights = get_vision_interpolation_indices_and_weights(
            grids, num_grid_per_side=side, mode="bilinear", align_corners=True, spatial_merge_size=self.merge,
        )
        return {
            "position_ids": get_vision_position_ids(grids, self.merge).to(device),
            "interp_indices": taps.to(device), "interp_weights": weights.to(device),
            "cu_seqlens": Segments.of(frame_lengths(grids), device),
        }

    def language_inputs(self, embeds: Tensor, visual_index: Tensor, features: VisionFeatures) -> dict[str, Any]:
        """Adds the deepstack levels and the mask of their places."""
        places = torch.zeros(embeds.shape[0] * embeds.shape[1], dtype=torch.bool, device=embeds.device)
        places = places.index_fill(0, visual_index, True).view(embeds.shape[:2])
        return super().language_inputs(embeds, visual_index, features) | {
            "visual_pos_masks": places, "deepstack_visual_embeds": list(features.deepstack),
        }

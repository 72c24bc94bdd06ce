"""What families share that show every frame by itself, at the one size their vision tower was trained with."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from strive.stages.vlm.clips import ShownClip
from strive.stages.vlm.family import FamilyAdapter
from strive.stages.vlm.interface import ViewInputs, VisionFeatures

FRAMES_AT_ONCE = 32
"""Frames through the tower together; so many whatever the batch, that a view's features don't depend on it."""


class FixedSizeAdapter(FamilyAdapter):
    """Frames are squeezed to `size` whatever their shape, as these families were trained: `max_pixels` isn't used."""

    size: tuple[int, int]

    @abstractmethod
    def frame_features(self, core: Any, pixels: Tensor) -> Tensor:
        """Frames [n, 3, h, w] → the projected features of each [n, tokens, D]."""

    @abstractmethod
    def clip_features(self, core: Any, frames: Tensor) -> Tensor:
        """Features of a clip's frames [F, tokens, D] → the rows that replace its placeholders [N, D]."""

    def frame_size(self, height: int, width: int) -> tuple[int, int]:
        """The tower's own size."""
        return self.size

    def pixels(self, frames: list[Tensor], clips: list[ShownClip]) -> tuple[Tensor, Tensor]:
        """Normalised frames float32 [F, 3, h, w] of all clips, and each clip's grid; clips differ in length."""
        done = [self.processed_videos([clip], [own])["pixel_values_videos"][0]
                for clip, own in zip(frames, clips, strict=True)]
        return torch.cat(done), self.grids(clips)

    def tower(self, core: Any) -> nn.Module:
        """The vision tower and the projector together."""
        return nn.ModuleList([core.model.vision_tower, core.model.multi_modal_projector])

    def encode_views(self, core: Any, views: Sequence[ViewInputs]) -> list[VisionFeatures]:
        """The features of each view, one view after another; every view has pixels."""
        return [self._encode_view(core, view) for view in views]

    def _encode_view(self, core: Any, view: ViewInputs) -> VisionFeatures:
        assert view.pixel_values is not None and view.grid_thw is not None
        weight = core.lm_head.weight
        pixels = view.pixel_values.to(device=weight.device, dtype=weight.dtype)
        frames = torch.cat([self.frame_features(core, part) for part in pixels.split(FRAMES_AT_ONCE)])
        clips = frames.split([own[0] for own in view.grid_thw.tolist()])
        return VisionFeatures(torch.cat([self.clip_features(core, clip) for clip in clips]))

"""What the Qwen-VL families share: sizes by a pixel budget, temporal patches, mRoPE, one vision tower in few calls."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strive.configs.errors import UsageError
from strive.stages.vlm.chat import time_sentence
from strive.stages.vlm.clips import ShownClip
from strive.stages.vlm.family import FamilyAdapter
from strive.stages.vlm.interface import ViewInputs, VisionFeatures
from strive.stages.vlm.positions import VisualBlock, rope_positions
from strive.stages.vlm.sizing import target_size
from strive.stages.vlm.vision_attention import batch_segments


class QwenAdapter(FamilyAdapter):
    """A family says how times reach the model: `blocks` (rotary positions) and `visual_text` (prompt)."""

    axes = 3

    def __init__(self, processor: Any, config: Any, max_pixels: int, min_pixels: int, time_text: str = "none",
                 frame_pairing: str = "video") -> None:
        vision = config.vision_config
        self.merge, self.per_patch = int(vision.spatial_merge_size), int(vision.temporal_patch_size)
        self.patch = int(vision.patch_size)
        self.factor = self.patch * self.merge
        if max_pixels < self.factor**2:
            raise UsageError(f"max_pixels is {max_pixels}",
                             f"at least one visual token ({self.factor}x{self.factor} = {self.factor**2} pixels).",
                             "Raise max_pixels.")
        super().__init__(processor, config, max_pixels, min_pixels, time_text, frame_pairing)

    def own_tokens(self) -> Sequence[str]:
        token = self.processor.tokenizer.convert_ids_to_tokens
        self.start_token: str = token(self.config.vision_start_token_id)
        self.end_token: str = token(self.config.vision_end_token_id)
        self.video_token: str = token(self.config.video_token_id)
        self.token_of = {"video": self.video_token, "image": token(self.config.image_token_id)}
        self.marker_of = {kind: self.start_token + own + self.end_token for kind, own in self.token_of.items()}
        return [self.start_token, self.end_token, *self.token_of.values()]

    @abstractmethod
    def blocks(self, grid: Sequence[int], times: np.ndarray) -> list[VisualBlock]:
        """Rotary blocks of one video: `grid` = patches in time, rows, columns; `times` (s) of its temporal patches."""

    @abstractmethod
    def tower_inputs(self, grids: Tensor, device: torch.device) -> dict[str, Any]:
        """What the tower derives from `grids` int64 [visuals, 3], worked out on the CPU with plain-integer lengths."""

    def frame_size(self, height: int, width: int) -> tuple[int, int]:
        """Nearest multiples of patch × merge within `min_pixels … max_pixels`."""
        return target_size(height, width, self.factor, self.min_pixels, self.max_pixels)

    @property
    def frame_tokens(self) -> int:
        """The pixel budget in tokens (a frame of extreme shape may need more, see `target_size`)."""
        return self.max_pixels // self.factor**2

    def visual_text(self, grid: Sequence[int], times: np.ndarray) -> str:
        """A video in the prompt: <|vision_start|> placeholders <|vision_end|>."""
        return self.wrapped(grid[0] * grid[1] * grid[2])

    def wrapped(self, patches: int) -> str:
        """Start token, one placeholder for each merged group of patches, end token."""
        return f"{self.start_token}{self.token_of[self.kind] * (patches // self.merge**2)}{self.end_token}"

    def visuals(self, clip: ShownClip) -> list[str]:
        """One text for the video, or one for each frame as an image; with `time_text` times stand before it."""
        told = self.time_text == "seconds"
        if self.kind == "video":
            return [(time_sentence(clip.frame_times) if told else "") + self.visual_text(clip.grid, clip.times)]
        picture = self.wrapped(clip.grid[1] * clip.grid[2])
        return [(f"<{second:.1f} seconds>" if told else "") + picture for second in clip.times.tolist()]

    def grids(self, clips: Sequence[ShownClip]) -> Tensor:
        """A row for each video, or for each frame shown as an image."""
        if self.kind == "video":
            return super().grids(clips)
        return torch.tensor([(1, *clip.grid[1:]) for clip in clips for _ in clip.times], dtype=torch.int64)

    def pixels(self, frames: list[Tensor], clips: list[ShownClip]) -> tuple[Tensor, Tensor]:
        """Patches float32 [patches, dim] and their grids, by the video processor or, frame by frame, the image one."""
        if self.kind == "video":
            out = self.processed_videos(frames, clips)
            return out["pixel_values_videos"], out["video_grid_thw"].to(torch.int64)
        pictures = [picture for clip in frames for picture in clip]
        out = self.processor.image_processor(images=pictures, do_resize=False, return_tensors="pt")
        return out["pixel_values"], out["image_grid_thw"].to(torch.int64)

    def positions(self, is_visual: np.ndarray, clips: Sequence[ShownClip]) -> tuple[np.ndarray, int]:
        """mRoPE; a frame shown as an image is a block of its own without a temporal extent."""
        return rope_positions(is_visual, [block for clip in clips for block in self._clip_blocks(clip)])

    def _clip_blocks(self, clip: ShownClip) -> list[VisualBlock]:
        if self.kind == "video":
            return self.blocks(clip.grid, clip.times)
        return [VisualBlock((0,), clip.grid[1] // self.merge, clip.grid[2] // self.merge)] * clip.grid[0]

    def prepare(self, core: Any) -> None:
        """Frames and windows of one length attend as one batch."""
        batch_segments(core.model.visual)

    def tower(self, core: Any) -> nn.Module:
        """The vision tower with its merger."""
        tower: nn.Module = core.model.visual
        return tower

    def encode_views(self, core: Any, views: Sequence[ViewInputs]) -> list[VisionFeatures]:
        """The features of each view, all through the tower together; every view has pixels."""
        pixels = torch.cat([view.pixel_values for view in views if view.pixel_values is not None])
        grids = torch.cat([view.grid_thw for view in views if view.grid_thw is not None])
        return self.encode_vision(core, pixels, grids, [view.visual_tokens for view in views])

    def encode_vision(self, core: Any, pixels: Tensor, grids: Tensor, counts: Sequence[int]) -> list[VisionFeatures]:
        """Patches of several views at once [patches, dim] → features of each; `counts` visual tokens a view."""
        return self.run_tower(core, pixels, grids, counts, self.tower_inputs(grids, core.model.visual.device))

    def run_tower(self, core: Any, pixels: Tensor, grids: Tensor, counts: Sequence[int],
                  inputs: dict[str, Any]) -> list[VisionFeatures]:
        """The tower's forward alone: nothing in it depends on data, `inputs` being what `tower_inputs` gave."""
        tower = core.model.visual
        out = tower(pixels.to(device=tower.device, dtype=tower.dtype), grid_thw=grids, **inputs)
        levels = [out.pooler_output, *(getattr(out, "deepstack_features", None) or [])]
        split = [level.split(list(counts)) for level in levels]
        return [VisionFeatures(own[0], tuple(own[1:])) for own in zip(*split, strict=True)]


def frame_lengths(grids: Tensor) -> list[int]:
    """Patches of each temporal patch of each visual, in order: full attention spans one of them."""
    return [rows * columns for count, rows, columns in grids.tolist() for _ in range(count)]

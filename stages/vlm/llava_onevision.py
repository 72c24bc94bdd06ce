"""LLaVA-OneVision: frames of fixed size, pooled to a quarter, a newline after the last; plain positions, no times."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from strive.stages.vlm.chat import time_sentence
from strive.stages.vlm.clips import ShownClip
from strive.stages.vlm.fixed_size import FixedSizeAdapter


class LlavaOnevision(FixedSizeAdapter):
    """Released: 384x384, 27 x 27 patches pooled to 14 x 14 = 196 tokens a frame, one newline token a video."""

    def own_tokens(self) -> Sequence[str]:
        """`<video>` is both what the template writes and what features replace; `<image>` is suppressed beside it."""
        vision, given = self.config.vision_config, self.processor
        self.size, self.patch = (int(vision.image_size), int(vision.image_size)), int(vision.patch_size)
        self.marker_of = self.token_of = {"video": str(given.video_token)}
        return [str(given.video_token), str(given.image_token)]

    @property
    def frame_tokens(self) -> int:
        """Patches after pooling 2 x 2, rounded up on each side."""
        return math.ceil(self.size[0] // self.patch / 2) ** 2

    def visuals(self, clip: ShownClip) -> list[str]:
        """Placeholders of all frames and the newline, after the times if those are asked for."""
        told = time_sentence(clip.frame_times) if self.time_text == "seconds" else ""
        return [told + self.token_of["video"] * (clip.grid[0] * self.frame_tokens + 1)]

    def frame_features(self, core: Any, pixels: Tensor) -> Tensor:
        """Tower, projector and pooling, as the model has them; its newline after the last frame is left out."""
        rows: Tensor = core.model.get_video_features(pixels[None]).pooler_output[0, :-1]
        return rows.unflatten(0, (len(pixels), self.frame_tokens))

    def clip_features(self, core: Any, frames: Tensor) -> Tensor:
        """The frames one after another and the newline."""
        return torch.cat([frames.flatten(0, 1), core.model.image_newline[None].to(frames.dtype)])

    def tower(self, core: Any) -> nn.Module:
        """The newline belongs to it: it is part of the features."""
        parts = super().tower(core)
        parts.image_newline = core.model.image_newline
        return parts

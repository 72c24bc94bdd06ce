"""What every model family shares: clips with true times and a text become `ViewInputs`, features hidden states."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.video_utils import VideoMetadata

from strive.configs.errors import UsageError
from strive.stages.vlm.chat import Chat
from strive.stages.vlm.clips import PAIRINGS, ShownClip, pair_frames, split_times
from strive.stages.vlm.interface import ViewInputs, VisionFeatures
from strive.stages.vlm.sizing import resize_frames

TOKEN_TYPES = {"image": 1, "video": 2}  # as `mm_token_type_ids` has them
VISUAL_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")


class FamilyAdapter(ABC):
    """One loaded model's way of seeing: sizes, prompt, positions, features.

    `visual_tokens`: texts of special tokens that are never sampled. `max_pixels` and `min_pixels` may be changed
    between views. `frame_pairing` video | repeat | images and `time_text` none | seconds as in the train settings.
    """

    axes = 1
    """Axes of a position: 3 (temporal, height, width) for mRoPE, else 1."""
    per_patch = 1
    """Frames that share a temporal patch."""
    times_in_video = False
    """Whether the family itself is told when the frames of a video were taken."""
    patch: int
    marker_of: dict[str, str]
    """What the chat template writes for one "video" and one "image"."""
    token_of: dict[str, str]
    """The placeholder that features replace, for a video and for an image."""

    def __init__(self, processor: Any, config: Any, max_pixels: int, min_pixels: int, time_text: str = "none",
                 frame_pairing: str = "video") -> None:
        self.processor, self.config, self.chat = processor, config, Chat(processor)
        self.max_pixels, self.min_pixels = max_pixels, min(min_pixels, max_pixels)
        self.time_text, self.frame_pairing = time_text, frame_pairing
        self.kind = "image" if frame_pairing == "images" else "video"
        self._check_modes()
        self.visual_tokens = tuple({*VISUAL_TOKENS, *self.own_tokens()})
        self.placeholder_id: int = processor.tokenizer.convert_tokens_to_ids(self.token_of[self.kind])

    def _check_modes(self) -> None:
        name = self.config.model_type
        if self.time_text not in ("none", "seconds"):
            raise UsageError(f"time_text is {self.time_text!r}", "none or seconds.", "Set the time_text key.")
        if self.frame_pairing not in PAIRINGS:
            raise UsageError(f"frame_pairing is {self.frame_pairing!r}", f"one of {', '.join(PAIRINGS)}.",
                             "Set the frame_pairing key.")
        if self.per_patch == 1 and self.frame_pairing != "video":
            raise UsageError(f"frame_pairing {self.frame_pairing} with a {name} model",
                             "video: this family shows every frame by itself, so that there are no pairs to part.",
                             "Set the frame_pairing key to video.")
        if self.time_text == "seconds" and self.times_in_video and self.kind == "video":
            raise UsageError(f"time_text seconds with a {name} model",
                             "none: the times of the frames already reach this model.",
                             "Set the time_text key to none.")

    @abstractmethod
    def own_tokens(self) -> Sequence[str]:
        """The family's special tokens for pictures and videos, beside `VISUAL_TOKENS`; sets `marker_of`, `token_of`."""

    @abstractmethod
    def frame_size(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) at which a frame of this size is shown."""

    @property
    @abstractmethod
    def frame_tokens(self) -> int:
        """The most visual tokens that one frame takes."""

    @abstractmethod
    def visuals(self, clip: ShownClip) -> list[str]:
        """What stands in the prompt for each visual of a clip (one video, or one image a frame), placeholders repeated.
        """

    def grids(self, clips: Sequence[ShownClip]) -> Tensor:
        """`grid_thw` int64 [visuals, 3] of these clips."""
        return torch.tensor([clip.grid for clip in clips], dtype=torch.int64)

    @abstractmethod
    def pixels(self, frames: list[Tensor], clips: list[ShownClip]) -> tuple[Tensor, Tensor]:
        """Frames uint8 [F, 3, h, w] of each clip → the tower's float32 input and `grid_thw` int64 [visuals, 3]."""

    @abstractmethod
    def tower(self, core: Any) -> nn.Module:
        """All weights between pixels and features: what `freeze_vision` keeps."""

    @abstractmethod
    def encode_views(self, core: Any, views: Sequence[ViewInputs]) -> list[VisionFeatures]:
        """The features of each view; every view has pixels."""

    def positions(self, is_visual: np.ndarray, clips: Sequence[ShownClip]) -> tuple[np.ndarray, int]:
        """Positions int64 [axes, L] and the one that follows: here every token, seen or read, is one step on."""
        return np.arange(len(is_visual))[None], len(is_visual)

    def prepare(self, core: Any) -> None:  # noqa: B027
        """Once after loading: faster arithmetic with the same result, where the family has any."""

    def layout(self, height: int, width: int, times: np.ndarray) -> ShownClip:
        """How frames of this size, taken at `times` (s, one a frame), are shown; no pixel is needed."""
        size = self.frame_size(height, width)
        order, at, repeated = pair_frames(times, self.per_patch, self.frame_pairing)
        return ShownClip(order, size, (len(at), size[0] // self.patch, size[1] // self.patch), at, times, repeated)

    def encode_frames(self, clips: Sequence[np.ndarray], times: np.ndarray) -> tuple[list[ShownClip], Tensor, Tensor]:
        """What of `encode_view` no text is needed for: layouts, the tower's input and `grid_thw`.

        The tokenizer is not touched: another thread than the one that encodes prompts may do this.
        """
        shown = [self.layout(clip.shape[1], clip.shape[2], own)
                 for clip, own in zip(clips, split_times(clips, times), strict=True)]
        frames = [resize_frames(clip, own.size)[torch.from_numpy(own.order)]
                  for clip, own in zip(clips, shown, strict=True)]
        return shown, *self.pixels(frames, shown)

    def encode_view(self, clips: Sequence[np.ndarray], times: np.ndarray, text: str) -> ViewInputs:
        """Clips (uint8 [T, H, W, 3] RGB each) and presentation times (seconds, float64 [sum of T]) → the prompt."""
        shown, pixels, grids = self.encode_frames(clips, times)
        return self._prompt(text, pixels, grids, shown)

    def encode_unseen(self, clips: list[ShownClip], text: str) -> ViewInputs:
        """What `encode_view` makes of clips with these layouts, but for `pixel_values`, which are None."""
        return self._prompt(text, None, self.grids(clips), clips)

    def encode_text(self, text: str) -> ViewInputs:
        """A prompt without video (the text-only control)."""
        return self._prompt(text, None, None, [])

    def _prompt(self, text: str, pixels: Tensor | None, grids: Tensor | None, clips: list[ShownClip]) -> ViewInputs:
        visuals = [visual for clip in clips for visual in self.visuals(clip)]
        prompt = self.chat.render(text, self.kind, self.marker_of[self.kind], visuals)
        ids = torch.tensor(self.processor.tokenizer(prompt, add_special_tokens=False)["input_ids"], dtype=torch.int64)
        is_visual = ids == self.placeholder_id
        positions, following = self.positions(is_visual.numpy(), clips)
        return ViewInputs(
            ids, torch.from_numpy(positions), following, pixels, grids,
            is_visual.to(torch.int64) * TOKEN_TYPES[self.kind], int(is_visual.sum()),
            {"clips": [clip.record() for clip in clips], "frame_pairing": self.frame_pairing,
             "time_text": self.time_text},
        )

    def decode(self, core: Any, inputs: dict[str, Any], position_ids: Tensor, **options: Any) -> Tensor:
        """Hidden states [B, Q, D] of the language model; `position_ids` int64 [axes, B, Q], `options` reach attention.
        """
        at = position_ids[0] if self.axes == 1 else position_ids
        if self.axes == 1 and options.get("prefix") is not None:
            # else transformers takes completions, each starting at its own position, for packed sequences and builds
            # their mask at every call; a 4D mask is handed through as it is, and nobody reads it beside a prefix
            options["attention_mask"] = at.new_ones((1, 1, 1, 1), dtype=torch.bool)
        hidden: Tensor = core.model.language_model(position_ids=at, **inputs, **options).last_hidden_state
        return hidden

    def language_inputs(self, embeds: Tensor, visual_index: Tensor, features: VisionFeatures) -> dict[str, Any]:
        """The language model's inputs: features put at `visual_index` (flat into [B · L]) of embeds [B, L, D]."""
        flat = embeds.flatten(0, 1)
        return {"inputs_embeds": flat.index_copy(0, visual_index, features.tokens.to(flat.dtype)).view_as(embeds)}

    def processed_videos(self, frames: list[Tensor], clips: list[ShownClip]) -> Any:
        """The video processor's own output for frames that already have their size."""
        metadata = [VideoMetadata(total_num_frames=len(clip), fps=_mean_rate(clip, own.times), width=clip.shape[3],
                                  height=clip.shape[2], frames_indices=list(range(len(clip))))
                    for clip, own in zip(frames, clips, strict=True)]
        video_processor = self.processor.video_processor
        # silences a warning about a cap that only matters when the processor resizes; newer releases lack the option
        quiet = {"cap_pixels_per_frame": False} if hasattr(video_processor, "cap_pixels_per_frame") else {}
        return video_processor(videos=frames, do_resize=False, do_sample_frames=False, video_metadata=metadata,
                               return_tensors="pt", **quiet)


def _mean_rate(clip: Tensor, patch_seconds: np.ndarray) -> float:
    span = float(patch_seconds[-1] - patch_seconds[0])
    return len(clip) / span if span > 0 else 1.0

"""What the Qwen-VL families share: resizing, the processor's call, the prompt, the tower, its features' place."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.video_utils import VideoMetadata

from strive.configs.errors import ItemError, UsageError
from strive.stages.vlm.interface import ViewInputs, VisionFeatures
from strive.stages.vlm.positions import VisualBlock, rope_positions
from strive.stages.vlm.sizing import fill_patches, patch_times, resize_frames, target_size
from strive.stages.vlm.vision_attention import batch_segments

VIDEO = 2  # the token type of video placeholders
VISUAL_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")


class QwenAdapter(ABC):
    """Turns clips with true times and a text into `ViewInputs`, and pixels into features, for one loaded model.

    A family says how times reach the model: `blocks` (rotary positions) and `visual_text` (prompt).
    """

    axes = 3  # temporal, height, width

    def __init__(self, processor: Any, config: Any, max_pixels: int, min_pixels: int) -> None:
        self.processor, self.config = processor, config
        vision = config.vision_config
        self.merge, self.per_patch = int(vision.spatial_merge_size), int(vision.temporal_patch_size)
        self.factor = int(vision.patch_size) * self.merge
        if max_pixels < self.factor**2:
            raise UsageError(f"max_pixels is {max_pixels}",
                             f"at least one visual token ({self.factor}x{self.factor} = {self.factor**2} pixels).",
                             "Raise max_pixels.")
        self.max_pixels, self.min_pixels = max_pixels, min(min_pixels, max_pixels)
        token = processor.tokenizer.convert_ids_to_tokens
        self.video_token: str = token(config.video_token_id)
        self.start_token: str = token(config.vision_start_token_id)
        self.end_token: str = token(config.vision_end_token_id)
        named = (getattr(config, f"{name}_token_id", None) for name in ("image", "video", "vision_start", "vision_end"))
        self.visual_tokens = tuple({*VISUAL_TOKENS, *(token(ident) for ident in named if ident is not None)})
        self.control_tokens = tuple(str(entry) for entry in processor.tokenizer.added_tokens_decoder.values()
                                    if entry.special)

    @abstractmethod
    def blocks(self, grid: Sequence[int], times: np.ndarray) -> list[VisualBlock]:
        """Rotary blocks of one clip: `grid` = patches in time, rows, columns; `times` (s) of its temporal patches."""

    @abstractmethod
    def visual_text(self, grid: Sequence[int], times: np.ndarray) -> str:
        """What stands in the prompt for one clip, placeholders repeated."""

    def encode_view(self, clips: Sequence[np.ndarray], times: np.ndarray, text: str) -> ViewInputs:
        """Clips (uint8 [T, H, W, 3] RGB each) and presentation times (seconds, float64 [sum of T]) → the prompt."""
        counts = [len(clip) for clip in clips]
        if not counts or min(counts) == 0 or sum(counts) != len(times):
            raise ItemError(f"view with {counts} frames and {len(times)} times", "every clip has frames, each a time.",
                            "Rebuild the bundle.")
        shown, per_patch_times, done = [], [], []
        for clip, own in zip(clips, np.split(np.asarray(times, np.float64), np.cumsum(counts)[:-1]), strict=True):
            size = target_size(clip.shape[1], clip.shape[2], self.factor, self.min_pixels, self.max_pixels)
            frames, filled, repeated = fill_patches(clip, own, self.per_patch)
            shown.append(resize_frames(frames, size))
            per_patch_times.append(patch_times(filled, self.per_patch))
            done.append({"frames": len(clip), "repeated": repeated, "size": list(size),
                         "patch_times": per_patch_times[-1].tolist()})
        pixels, grids = self._pixels(shown, per_patch_times)
        return self._prompt(text, pixels, grids, per_patch_times, {"clips": done})

    def encode_text(self, text: str) -> ViewInputs:
        """A prompt without video (the text-only control)."""
        return self._prompt(text, None, None, [], {"clips": []})

    def _pixels(self, shown: list[Tensor], times: list[np.ndarray]) -> tuple[Tensor, Tensor]:
        metadata = [VideoMetadata(total_num_frames=len(clip), fps=_mean_rate(clip, at), width=clip.shape[3],
                                  height=clip.shape[2], frames_indices=list(range(len(clip))))
                    for clip, at in zip(shown, times, strict=True)]
        video_processor = self.processor.video_processor
        # silences a warning about a cap that only matters when the processor resizes; newer releases lack the option
        quiet = {"cap_pixels_per_frame": False} if hasattr(video_processor, "cap_pixels_per_frame") else {}
        out = video_processor(videos=shown, do_resize=False, do_sample_frames=False, video_metadata=metadata,
                              return_tensors="pt", **quiet)
        return out["pixel_values_videos"], out["video_grid_thw"].to(torch.int64)

    def _prompt(self, text: str, pixels: Tensor | None, grids: Tensor | None, times: list[np.ndarray],
                extra: dict[str, Any]) -> ViewInputs:
        grid_rows = grids.tolist() if grids is not None else []
        prompt = self._chat(text, [self.visual_text(grid, at) for grid, at in zip(grid_rows, times, strict=True)])
        ids = torch.tensor(self.processor.tokenizer(prompt, add_special_tokens=False)["input_ids"], dtype=torch.int64)
        is_visual = ids == self.config.video_token_id
        blocks = [block for grid, at in zip(grid_rows, times, strict=True) for block in self.blocks(grid, at)]
        positions, following = rope_positions(is_visual.numpy(), blocks)
        return ViewInputs(ids, torch.from_numpy(positions), following, pixels, grids, is_visual.to(torch.int64) * VIDEO,
                          int(is_visual.sum()), extra)

    def _chat(self, text: str, visuals: list[str]) -> str:
        clash = next((token for token in self.control_tokens if token in text), None)
        if clash:
            raise ItemError(f"question contains the model's control token {clash}",
                            "it would be read as part of the chat's frame.", "Reword the question.")
        content = [{"type": "video"} for _ in visuals] + [{"type": "text", "text": text}]
        rendered = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True,
        )
        parts = rendered.split(f"{self.start_token}{self.video_token}{self.end_token}")
        if len(parts) != len(visuals) + 1:
            raise UsageError(f"the chat template shows {len(parts) - 1} videos for {len(visuals)}",
                             "one placeholder for each video.", "Use the model's own processor files.")
        return "".join(part + visual for part, visual in zip(parts, [*visuals, ""], strict=True))

    def prepare(self, core: Any) -> None:
        """Once after loading: faster arithmetic with the same result."""
        batch_segments(core.model.visual)

    def tower(self, core: Any) -> Any:
        """The module whose weights `freeze_vision` keeps."""
        return core.model.visual

    def decode(self, core: Any, inputs: dict[str, Any], position_ids: Tensor, **options: Any) -> Tensor:
        """Hidden states [B, Q, D] of the language model; `position_ids` int64 [axes, B, Q], `options` reach attention.
        """
        out = core.model.language_model(position_ids=position_ids, **inputs, **options)
        hidden: Tensor = out.last_hidden_state
        return hidden

    def encode_views(self, core: Any, views: Sequence[ViewInputs]) -> list[VisionFeatures]:
        """The features of each view, all through the tower together; every view has pixels."""
        pixels = torch.cat([view.pixel_values for view in views if view.pixel_values is not None])
        grids = torch.cat([view.grid_thw for view in views if view.grid_thw is not None])
        return self.encode_vision(core, pixels, grids, [view.visual_tokens for view in views])

    @abstractmethod
    def tower_inputs(self, grids: Tensor, device: torch.device) -> dict[str, Any]:
        """What the tower derives from `grids` int64 [clips, 3], worked out on the CPU with plain-integer lengths."""

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

    def language_inputs(self, embeds: Tensor, visual_index: Tensor, features: VisionFeatures) -> dict[str, Any]:
        """The language model's inputs: features put at `visual_index` (flat into [B · L]) of embeds [B, L, D]."""
        flat = embeds.flatten(0, 1)
        return {"inputs_embeds": flat.index_copy(0, visual_index, features.tokens.to(flat.dtype)).view_as(embeds)}


def _mean_rate(clip: Tensor, patch_seconds: np.ndarray) -> float:
    span = float(patch_seconds[-1] - patch_seconds[0])
    return len(clip) / span if span > 0 else 1.0

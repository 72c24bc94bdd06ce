"""How much goes through the model in one step: views, prompt tokens, patches and completions, from the config alone."""

import math
from dataclasses import dataclass
from typing import Any

from strive.configs.errors import UsageError
from strive.configs.schema import Config
from strive.stages.vlm.sizing import target_size

TEXT_TOKENS = 256
"""A question with its options, the prompt format and the chat frame, where nothing is known of the data."""
ASPECT = 16 / 9
TIME_TOKENS = 10
"""What Qwen3-VL writes beside each temporal patch: its time and two delimiters. Qwen2-VL and 2.5 write two in all."""


@dataclass(frozen=True)
class ViewShape:
    """One view in the tower.

    patches: in all. tokens: placeholders in the prompt. attended: patches that a patch attends to, mean over the
    blocks. written: tokens of times and delimiters.
    """

    patches: int
    tokens: int
    attended: float
    written: int


@dataclass(frozen=True)
class StepShape:
    """One optimiser step: `views` prompts of `prompt_tokens` each, `rows` completions of each view, of at most
    `new_tokens`; `view` is what the tower sees, of `variants` views of one question together where it is frozen."""

    views: int
    variants: int
    rows: int
    prompt_tokens: int
    new_tokens: int
    view: ViewShape

    @property
    def completions(self) -> int:
        """Rows of the step."""
        return self.views * self.rows


def planned(model_config: Any, config: Config, processes: int = 1) -> StepShape:
    """The step that `config` asks of one of `processes`: frames of 16:9 at `extract.short_side`, within
    `train.max_pixels`; a prompt never longer than `train.max_prompt_tokens`, above which questions are left out."""
    train, variants = config.train, config.variants
    size = (config.extract.short_side, round(config.extract.short_side * ASPECT))
    apart = train.frame_pairing != "video"
    view = view_shape(model_config, variants.frames, size, train.min_pixels, train.max_pixels, apart)
    prompt = min(view.tokens + view.written + TEXT_TOKENS, train.max_prompt_tokens)
    rows = max(1, train.rollouts // variants.count)
    questions = math.ceil(train.prompts_per_step / processes)
    return StepShape(questions * variants.count, variants.count, rows, prompt, train.max_new_tokens, view)


def view_shape(model_config: Any, frames: int, size: tuple[int, int], min_pixels: int, max_pixels: int,
               apart: bool = False) -> ViewShape:
    """`frames` frames of `size` (height, width) in pixels; `apart`: each frame is a temporal patch of its own."""
    vision = model_config.vision_config
    patch = vision.patch_size[0] if isinstance(vision.patch_size, (list, tuple)) else int(vision.patch_size)
    merge = getattr(vision, "spatial_merge_size", None)
    if merge is None:
        return _fixed(model_config, frames, patch)
    height, width = target_size(*size, patch * merge, min_pixels, max_pixels)
    shown = frames if apart else math.ceil(frames / int(vision.temporal_patch_size))
    grid = (height // patch) * (width // patch)
    full = getattr(vision, "fullatt_block_indexes", None)
    share = len(full) / int(vision.depth) if full is not None else 1.0
    window = min(grid, (int(vision.window_size) // patch) ** 2) if full is not None else grid
    written = shown * TIME_TOKENS if model_config.model_type.startswith("qwen3") else 2
    return ViewShape(shown * grid, shown * grid // merge**2, share * grid + (1 - share) * window, written)


def _fixed(model_config: Any, frames: int, patch: int) -> ViewShape:
    """Families that see every frame at the tower's own size, each frame alone."""
    side = model_config.vision_config.image_size
    side = int(side[0] if isinstance(side, (list, tuple)) else side)
    rows = side // patch
    if hasattr(model_config, "downsample_ratio"):  # InternVL: pixel shuffle, a line of text for each frame
        tokens, written = round((rows * model_config.downsample_ratio) ** 2), 6 * frames
    elif hasattr(model_config, "image_grid_pinpoints"):  # LLaVA-OneVision: videos are pooled 2 x 2, one newline
        tokens, written = math.ceil(rows / 2) ** 2, 1
    else:
        raise UsageError(f"models of type {model_config.model_type!r}: tokens of a frame are not known",
                         "a supported family", "See docs/vlm.md.")
    return ViewShape(frames * rows**2, frames * tokens, rows**2, written)

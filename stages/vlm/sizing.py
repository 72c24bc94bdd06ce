"""The size at which a model sees a frame: multiples of patch × merge inside a pixel budget, made here only."""

import math

import numpy as np
import torch
from torch import Tensor

from strive.configs.errors import ItemError

MAX_ASPECT = 200


def target_size(height: int, width: int, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """The (height, width) nearest to the given one with both multiples of `factor` and the area in the budget.

    Published as `smart_resize` with Qwen2-VL: round to multiples of `factor`; if too large, scale by
    1 / beta, beta = sqrt(H·W / max_pixels), and round down; if too small, scale up and round up. A side never falls
    below `factor`, so a very long frame may exceed `max_pixels`.
    """
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise ItemError(f"frame of {width}x{height}: sides differ more than {MAX_ASPECT}-fold",
                        "the model takes frames of usual shape.", "Crop the video.")
    rows, columns = (max(factor, round(side / factor) * factor) for side in (height, width))
    if rows * columns > max_pixels:
        beta = math.sqrt(height * width / max_pixels)
        rows, columns = (max(factor, math.floor(side / beta / factor) * factor) for side in (height, width))
    elif rows * columns < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        rows, columns = (math.ceil(side * beta / factor) * factor for side in (height, width))
    return rows, columns


def resize_frames(frames: np.ndarray, size: tuple[int, int]) -> Tensor:
    """uint8 [T, H, W, 3] RGB → uint8 [T, 3, h, w], bicubic with antialiasing; untouched when the size is right.

    Computed in float32: the integer kernels of torch round differently with the processor's instruction set.
    """
    stack = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).contiguous()
    if tuple(stack.shape[2:]) == tuple(size):
        return stack
    scaled = torch.nn.functional.interpolate(
        stack.float(), size=list(size), mode="bicubic", antialias=True, align_corners=False,
    )
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


def patch_times(times: np.ndarray, per_patch: int) -> np.ndarray:
    """Mean presentation time in seconds of the frames of each temporal patch: float64 [T / per_patch]."""
    return times.astype(np.float64).reshape(-1, per_patch).mean(axis=1)

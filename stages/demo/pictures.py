"""Cuts, resizes and packs pictures for the demo policy while it is being made; users' runs go through stages/vlm."""

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.vision_utils import get_vision_position_ids

from strive.stages.demo.policy_model import MEAN, MERGE, PATCH, STD, VIEW_SIDE
from strive.stages.vlm.vision_attention import Segments, batch_segments

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 as fractions of the picture
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
RESIZERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


def cut(
    picture: NDArray[np.uint8], box: Box, resizer: int = cv2.INTER_AREA, side: int = VIEW_SIDE
) -> NDArray[np.uint8]:
    """The part of a picture inside a box, as uint8 RGB [side, side, 3]."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box
    part = picture[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)]
    return np.asarray(cv2.resize(part, (side, side), interpolation=resizer), np.uint8)


def random_box(rng: np.random.Generator, smallest: float = 0.58, largest: float = 1.0) -> Box:
    """A square box of a random size somewhere in the picture."""
    side = rng.uniform(smallest, largest)
    x0, y0 = rng.uniform(0, 1 - side, 2)
    return (float(x0), float(y0), float(x0 + side), float(y0 + side))


def pack(pairs: NDArray[np.uint8]) -> Tensor:
    """Pixel values of frame pairs uint8 [B, 2, side, side, 3] in Qwen2-VL's patch order: float32 [B * patches, dim]."""
    count, depth, side = pairs.shape[:3]
    pixels = torch.from_numpy(pairs).float().div(255).sub(torch.tensor(MEAN)).div(torch.tensor(STD))
    cells = side // (PATCH * MERGE)
    split = pixels.view(count, depth, cells, MERGE, PATCH, cells, MERGE, PATCH, 3)
    return split.permute(0, 2, 5, 3, 6, 8, 1, 4, 7).reshape(count * (side // PATCH) ** 2, -1)


def prepare_tower(visual: Any) -> None:
    """Let the tower attend frame pair by frame pair in one call; afterwards it is used through `encode_pairs` only."""
    batch_segments(visual)


def encode_pairs(visual: Any, pairs: NDArray[np.uint8]) -> Tensor:
    """Visual tokens float32 [B * tokens, width] of frame pairs uint8 [B, 2, side, side, 3], each pair by itself."""
    patches = pairs.shape[2] // PATCH
    grid = torch.tensor([[1, patches, patches]]).repeat(len(pairs), 1)
    whole = Segments(((patches**2, None),))
    features: Tensor = visual(
        pack(pairs),
        grid_thw=grid,
        position_ids=get_vision_position_ids(grid, MERGE),
        window_index=torch.arange(len(pairs) * (patches // MERGE) ** 2),
        cu_window_seqlens=whole,
        cu_seqlens=whole,
    ).pooler_output
    return features

"""Prepares images as a model's own transform does: geometry image by image, the arithmetic once per batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import Normalize, ToTensor


class Preparation:
    """open_clip's inference transform: PIL steps image by image, then x / 255 and (x − mean) / std for the batch.

    The same operations in the same order as the transform itself, so the same numbers; a transform that does not end
    in conversion and normalisation is applied as it is.
    """

    def __init__(self, transform: Any) -> None:
        steps = list(getattr(transform, "transforms", [transform]))
        batched = len(steps) > 2 and isinstance(steps[-2], ToTensor) and isinstance(steps[-1], Normalize)
        self.steps: list[Callable[[Any], Any]] = steps[:-2] if batched else steps
        self.normalize: Normalize | None = steps[-1] if batched else None

    def __call__(self, images: list[np.ndarray]) -> torch.Tensor:
        """float32 [n, 3, S, S] for n ≥ 1 images, uint8 RGB [H, W, 3]."""
        return self.together([self.one(image) for image in images])

    def one(self, image: np.ndarray) -> Any:
        """An image through the steps that work on it alone; safe to call from several threads."""
        current: Any = Image.fromarray(image)
        for step in self.steps:
            current = step(current)
        return current if self.normalize is None else np.asarray(current)

    def together(self, prepared: list[Any]) -> torch.Tensor:
        """float32 [n, 3, S, S] of what `one` gave for n ≥ 1 images."""
        if self.normalize is None:
            return torch.stack(prepared)
        pixels = torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2)
        mean = torch.tensor(self.normalize.mean).view(3, 1, 1)
        std = torch.tensor(self.normalize.std).view(3, 1, 1)
        return pixels.contiguous().float().div_(255).sub_(mean).div_(std)

"""Spatial operator: mild Gaussian noise on every frame (NoisyRollout), the same bytes on every run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from strive.stages.views.operation import Operator, Scene
from strive.stages.views.randomness import generator, stable_seed
from strive.stages.views.view import View


def apply_noise(view: View, scene: Scene) -> View:
    """Add noise of standard deviation `noise_std` (share of the pixel range), seeded by variant and frame."""
    step = {"operator": "noise", "noise_std": scene.config.noise_std, "seed": stable_seed(view.seed, "noise")}
    return replace(view, operators=(*view.operators, step))


def render_noise(image: np.ndarray, step: Mapping[str, Any], index: int) -> np.ndarray:
    """The image plus independent noise for each pixel and channel, uint8 [H, W, 3], clipped to 0..255.

    A frame that a variant shows twice, whole and cropped, gets the noise of its number `index` in the pool both times.
    """
    noise = generator(stable_seed(step["seed"], index)).standard_normal(image.shape, np.float32)
    noisy = image + np.float32(255 * step["noise_std"]) * noise
    return np.floor(np.clip(noisy, 0, 255) + np.float32(0.5)).astype(np.uint8)


NOISE = Operator("noise", False, apply_noise, frozenset({"text", "unreadable"}), render_noise)

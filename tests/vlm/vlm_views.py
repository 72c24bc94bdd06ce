"""Views of different lengths to try policies on."""

import numpy as np

from strive.stages.vlm import Policy, ViewInputs


def clip(frames: int, seed: int = 0, height: int = 56, width: int = 84) -> np.ndarray:
    """Random frames uint8 [frames, height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def mixed_views(policy: Policy) -> list[ViewInputs]:
    """Prompts of different lengths: even, odd and single frames, two clips of different size, no video at all."""
    return [
        policy.encode_view([clip(8, 1)], np.arange(8) * 1.25, "What colour?"),
        policy.encode_view([clip(5, 2)], np.arange(5) * 0.5, "What colour is it, and which way does it go?"),
        policy.encode_view([clip(1, 3)], np.zeros(1), "Why?"),
        policy.encode_view([clip(4, 4), clip(2, 5, 84, 84)], np.arange(6) * 2.0, "How many?"),
        policy.encode_text("Say something."),
    ]

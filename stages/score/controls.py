"""Scorers without sight, for controls: noise, and a hash of the pixels."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from strive.configs.data_stages import ScoreConfig
from strive.stages.score.encoder import ImageSet
from strive.stages.views.randomness import generator, stable_seed

DIM = 64


def unit_rows(seed: int, rows: int) -> np.ndarray:
    """`rows` random directions, float32 [rows, DIM]."""
    values = generator(seed).standard_normal((rows, DIM))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


class RandomEncoder:
    """Noise from (seed, frames, position) and (seed, text): frames and questions differ, nothing is seen."""

    context = 1 << 30

    def __init__(self, config: ScoreConfig) -> None:
        self.seed = config.seed
        self.facts: dict[str, Any] = {}

    def images(self, images: Iterable[np.ndarray], salt: str) -> np.ndarray:
        return unit_rows(stable_seed(self.seed, "image", salt), sum(1 for _ in images))

    def image_sets(self, sets: Iterable[ImageSet]) -> Iterator[tuple[Any, np.ndarray]]:
        for one in sets:
            yield one.token, self.images(one.images, one.salt)

    def text(self, text: str) -> np.ndarray:
        return np.asarray(unit_rows(stable_seed(self.seed, "text", text), 1)[0])

    def tokens(self, text: str) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held."""


class HashEncoder(RandomEncoder):
    """A direction from the bytes of an image or a text: equal frames get equal scores, and that is all it knows."""

    def images(self, images: Iterable[np.ndarray], salt: str) -> np.ndarray:
        rows = [unit_rows(stable_seed("image", pixel_digest(image)), 1) for image in images]
        return np.concatenate(rows) if rows else np.empty((0, DIM), np.float32)

    def text(self, text: str) -> np.ndarray:
        return np.asarray(unit_rows(stable_seed("text", text), 1)[0])


def pixel_digest(image: np.ndarray) -> str:
    """What an image's pixels and shape are known by."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()

"""What a scorer is: something that turns images and texts into unit vectors of one space. The scorers by name."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from strive.configs.data_stages import ScoreConfig

SCORERS = {
    "clip": "strive.stages.score.clip:open_clip_encoder",
    "random": "strive.stages.score.controls:RandomEncoder",
    "hash": "strive.stages.score.controls:HashEncoder",
}


class Encoder(Protocol):
    """Unit vectors of D numbers, float32. `context` is the longest text in tokens; `facts` go into the manifest."""

    context: int
    facts: dict[str, Any]

    def images(self, images: Iterable[np.ndarray], salt: str) -> np.ndarray:
        """[n, D] for n images, uint8 RGB [H, W, 3]; `salt` names the frames and matters to the random control only."""

    def text(self, text: str) -> np.ndarray:
        """[D] for one text; what lies beyond `context` tokens is cut off."""

    def tokens(self, text: str) -> int:
        """Length of a text in tokens, the special ones included."""

    def close(self) -> None:
        """Give memory back."""


@contextmanager
def open_encoder(config: ScoreConfig) -> Iterator[Encoder]:
    """The configured scorer, loaded; `MissingError` when its weights cannot be had."""
    module, _, attribute = SCORERS[config.scorer].partition(":")
    encoder: Encoder = getattr(import_module(module), attribute)(config)
    try:
        yield encoder
    finally:
        encoder.close()

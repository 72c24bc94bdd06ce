"""What a scorer is: something that turns images and texts into unit vectors of one space. The scorers by name."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from strive.configs.data_stages import ScoreConfig

SCORERS = {
    "clip": "strive.stages.score.clip:open_clip_encoder",
    "random": "strive.stages.score.controls:RandomEncoder",
    "hash": "strive.stages.score.controls:HashEncoder",
}


@dataclass(frozen=True)
class ImageSet:
    """The images of one video, uint8 RGB [H, W, 3]; `salt` names their content, `token` is whoever asks."""

    token: Any
    salt: str
    images: Iterable[np.ndarray]


class Encoder(Protocol):
    """Unit vectors of D numbers, float32. `context` is the longest text in tokens; `facts` go into the manifest."""

    context: int
    facts: dict[str, Any]

    def images(self, images: Iterable[np.ndarray], salt: str) -> np.ndarray:
        """[n, D] for n images, uint8 RGB [H, W, 3], whose content `salt` names."""

    def image_sets(self, sets: Iterable[ImageSet]) -> Iterator[tuple[Any, np.ndarray]]:
        """(token, [n, D]) of each set, what `images` gives to the bit, in any order; sets are read as needed."""

    def text(self, text: str) -> np.ndarray:
        """[D] for one text; what lies beyond `context` tokens is cut off."""

    def tokens(self, text: str) -> int:
        """Length of a text in tokens, the special ones included."""

    def close(self) -> None:
        """Give memory back."""


_OPEN: dict[str, tuple[Encoder, int]] = {}
_LOCK = threading.Lock()


@contextmanager
def open_encoder(config: ScoreConfig) -> Iterator[Encoder]:
    """The configured scorer, loaded once for all that have it open; `MissingError` when its weights cannot be had."""
    name = config.model_dump_json()
    with _LOCK:
        encoder, users = _OPEN.get(name) or (load_encoder(config), 0)
        _OPEN[name] = (encoder, users + 1)
    try:
        yield encoder
    finally:
        with _LOCK:
            users = _OPEN[name][1] - 1
            _OPEN[name] = (encoder, users)
            if not users:
                del _OPEN[name]
                encoder.close()


def load_encoder(config: ScoreConfig) -> Encoder:
    """The scorer of that name."""
    module, _, attribute = SCORERS[config.scorer].partition(":")
    encoder: Encoder = getattr(import_module(module), attribute)(config)
    return encoder

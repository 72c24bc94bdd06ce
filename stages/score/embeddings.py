"""A video's image embeddings under one scorer, computed once and reused for every question about it.

    embeddings.h5
      /image       float32 [N, D]     unit rows, one per frame
      /tiles       float32 [N, K, D]  unit rows, one per tile of each frame; K may be 0
      /tile_boxes  float64 [K, 4]     x0, y0, x1, y1 as shares of the frame
      /times       float64 [N]        presentation times of the frames, seconds
      attrs: format, scorer (JSON: identity)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from strive.stages.bundle import hdf5
from strive.stages.frames.scores import Readable

FILE = "embeddings.h5"
FORMAT = "strive.embed/1"


@dataclass(frozen=True)
class Embeddings:
    """See the module's layout; `scorer` is the identity that entered the key."""

    image: np.ndarray
    tiles: np.ndarray
    tile_boxes: np.ndarray
    times: np.ndarray
    scorer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> np.ndarray:
        """float32 [N · (1 + K), D]: all frames, then the tiles of each frame."""
        return np.concatenate([self.image, self.tiles.reshape(-1, self.image.shape[1])])

    def parted(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(of the frames [N], of the tiles [N, K]) from values in the order of `rows`."""
        count = len(self.image)
        return values[:count], values[count:].reshape(count, self.tiles.shape[1])


def write_embeddings(embeddings: Embeddings) -> dict[str, bytes]:
    """The files of an embed artefact."""

    def fill(file: h5py.File) -> None:
        hdf5.set_text(file, "format", FORMAT)
        hdf5.set_text(file, "scorer", json.dumps(dict(embeddings.scorer), sort_keys=True))
        for name in ("image", "tiles", "tile_boxes", "times"):
            hdf5.add(file, name, getattr(embeddings, name))

    return {FILE: hdf5.build(fill)}


def read_embeddings(artefact: Readable) -> Embeddings:
    """The embeddings of an artefact; `VerificationError` when its bytes are not what was written."""
    with hdf5.open_read(artefact.read(FILE)) as file:
        if hdf5.text(file, "format") != FORMAT:
            raise hdf5.damaged(FILE, f"format {hdf5.text(file, 'format')!r}, not {FORMAT!r}")
        image = hdf5.read(file, "image", "float32", (None, None))
        boxes = hdf5.read(file, "tile_boxes", "float64", (None, 4))
        tiles = hdf5.read(file, "tiles", "float32", (len(image), len(boxes), image.shape[1]))
        times = hdf5.read(file, "times", "float64", (len(image),))
        return Embeddings(image, tiles, boxes, times, json.loads(hdf5.text(file, "scorer")))

"""How much each frame matters to one question, as the scorer leaves it and the views read it.

    score.h5
      /raw            float32 [N]     cosine of frame and text, or a control's stand-in for it
      /importance     float32 [N]     raw, (raw − mean) / (std + 1e-6) over the video; all 0 when raw is constant
      /times          float64 [N]     presentation times of the frames, seconds
      /tile_boxes     float64 [K, 4]  x0, y0, x1, y1 of each tile as shares of the frame, 0..1
      /tile_saliency  float32 [N, K]  raw score of each tile of each frame; K may be 0
      attrs: format, meta (JSON: scorer identity, text policy)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import h5py

FILE = "score.h5"
FORMAT = "strive.score/1"


class Readable(Protocol):
    """A cache entry, as far as reading goes."""

    def read(self, name: str) -> bytes:
        """The checked bytes of one of its files."""


@dataclass(frozen=True)
class Scores:
    """Scores of N frames and of K tiles of each; all values are finite."""

    raw: np.ndarray  # [N] float32, −1..1
    importance: np.ndarray  # [N] float32, mean 0, std 1 or all 0
    times: np.ndarray  # [N] float64, seconds
    tile_boxes: np.ndarray  # [K, 4] float64, shares of the frame
    tile_saliency: np.ndarray  # [N, K] float32
    meta: Mapping[str, Any] = field(default_factory=dict)


def zscore(raw: np.ndarray) -> np.ndarray:
    """z_t = (s_t − mean) / (std + 1e-6), float32 [N]; exactly 0 everywhere when all s_t are equal."""
    values = np.asarray(raw, np.float64)
    if not len(values) or np.ptp(values) == 0:
        return np.zeros(len(values), np.float32)
    return ((values - values.mean()) / (values.std() + 1e-6)).astype(np.float32)


def write_scores(scores: Scores) -> dict[str, bytes]:
    """The files of a score artefact; the same scores give the same bytes."""
    from strive.stages.bundle import hdf5

    def fill(file: "h5py.File") -> None:
        hdf5.set_text(file, "format", FORMAT)
        hdf5.set_text(file, "meta", json.dumps(dict(scores.meta), sort_keys=True, ensure_ascii=False, allow_nan=False))
        hdf5.add(file, "raw", np.asarray(scores.raw, np.float32))
        hdf5.add(file, "importance", np.asarray(scores.importance, np.float32))
        hdf5.add(file, "times", np.asarray(scores.times, np.float64))
        hdf5.add(file, "tile_boxes", np.asarray(scores.tile_boxes, np.float64))
        hdf5.add(file, "tile_saliency", np.asarray(scores.tile_saliency, np.float32))

    return {FILE: hdf5.build(fill)}


def read_scores(artefact: Readable) -> Scores:
    """The scores of an artefact; `VerificationError` when its bytes are not what was written."""
    from strive.stages.bundle import hdf5

    with hdf5.open_read(artefact.read(FILE)) as file:
        if hdf5.text(file, "format") != FORMAT:
            raise hdf5.damaged(FILE, f"format {hdf5.text(file, 'format')!r}, not {FORMAT!r}")
        raw = hdf5.read(file, "raw", "float32", (None,))
        boxes = hdf5.read(file, "tile_boxes", "float64", (None, 4))
        return Scores(
            raw, hdf5.read(file, "importance", "float32", raw.shape), hdf5.read(file, "times", "float64", raw.shape),
            boxes, hdf5.read(file, "tile_saliency", "float32", (len(raw), len(boxes))),
            json.loads(hdf5.text(file, "meta")),
        )

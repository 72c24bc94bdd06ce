"""How much each frame matters to one question, as the scorer leaves it and the views read it.

    score.safetensors (see `arrays.py`)
      times          float64 [N]     presentation times of the frames, seconds
      tile_boxes     float64 [K, 4]  x0, y0, x1, y1 of each tile as shares of the frame, 0..1
      raw            float32 [N]     cosine of frame and text, or a control's stand-in for it
      importance     float32 [N]     raw, (raw − mean) / (std + 1e-6) over the video; all 0 when raw is constant
      tile_saliency  float32 [N, K]  raw score of each tile of each frame; K may be 0
      content        JSON: format, meta (scorer identity, text policy)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from strive.stages.frames.arrays import Arrays, pack

FILE = "score.safetensors"
FORMAT = "strive.score/2"


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
    content = {"format": FORMAT, "meta": dict(scores.meta)}
    arrays: dict[str, np.ndarray] = {
        "times": np.asarray(scores.times, np.float64), "tile_boxes": np.asarray(scores.tile_boxes, np.float64),
        "raw": np.asarray(scores.raw, np.float32), "importance": np.asarray(scores.importance, np.float32),
        "tile_saliency": np.asarray(scores.tile_saliency, np.float32),
    }
    return {FILE: pack(arrays, json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False))}


def read_scores(artefact: Readable) -> Scores:
    """The scores of an artefact; `VerificationError` when its bytes are not what was written."""
    file = Arrays(artefact.read(FILE), FILE)
    try:
        content = dict(json.loads(file.text))
        meta = dict(content["meta"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise file.damaged("its content is not described") from error
    if content.get("format") != FORMAT:
        raise file.damaged(f"format {content.get('format')!r}, not {FORMAT!r}")
    raw = file.read("raw", "float32", (None,))
    boxes = file.read("tile_boxes", "float64", (None, 4))
    saliency = file.read("tile_saliency", "float32", (len(raw), len(boxes)))
    importance, times = file.read("importance", "float32", raw.shape), file.read("times", "float64", raw.shape)
    return Scores(raw, importance, times, boxes, saliency, meta)

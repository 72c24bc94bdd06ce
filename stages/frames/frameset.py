"""The frames of one video as every later stage reads them: encoded images with their true times.

    frames.h5
      /pool/…            encoded images (see `strive.stages.bundle.pool`)
      /times             float64 [N]  presentation time in seconds from the container's start, strictly rising
      /source_index      int64 [N]    number of the frame in the source, counted in presentation order from 0
      attrs: format, meta (JSON)
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import h5py
import numpy as np

from strive.stages.bundle import hdf5
from strive.stages.bundle.images import decode
from strive.stages.bundle.pool import read_pool, write_pool

FILE = "frames.h5"
FORMAT = "strive.frames/1"


class Readable(Protocol):
    """A cache entry, as far as reading goes."""

    def read(self, name: str) -> bytes:
        """The checked bytes of one of its files."""


@dataclass(frozen=True)
class FrameSet:
    """N sampled frames. `meta` has at least: decoder, series, rotation, times ("exact" or "estimated"),
    announced_frames, decoded_frames, duration_s, codec."""

    times: np.ndarray  # [N] float64, seconds
    source_index: np.ndarray  # [N] int64
    sizes: np.ndarray  # [N, 2] int32, (H, W) of the stored image
    encoded: list[bytes]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.encoded)

    def image(self, i: int) -> np.ndarray:
        """Frame i, uint8 RGB [H, W, 3]."""
        height, width = self.sizes[i].tolist()
        return decode(self.encoded[i], (height, width))

    def images(self, indices: Iterable[int]) -> list[np.ndarray]:
        """Several frames, each uint8 RGB [H, W, 3]."""
        return [self.image(int(i)) for i in indices]


def write_frames(frames: FrameSet) -> dict[str, bytes]:
    """The files of a frame artefact; the same frames give the same bytes."""

    def fill(file: h5py.File) -> None:
        hdf5.set_text(file, "format", FORMAT)
        hdf5.set_text(file, "meta", json.dumps(dict(frames.meta), sort_keys=True, ensure_ascii=False, allow_nan=False))
        write_pool(hdf5.add_group(file, "pool"), frames.encoded, frames.sizes)
        hdf5.add(file, "times", np.asarray(frames.times, np.float64))
        hdf5.add(file, "source_index", np.asarray(frames.source_index, np.int64))

    return {FILE: hdf5.build(fill)}


def read_frames(artefact: Readable) -> FrameSet:
    """The frames of an artefact; `VerificationError` when its bytes are not what was written."""
    with hdf5.open_read(artefact.read(FILE)) as file:
        if hdf5.text(file, "format") != FORMAT:
            raise hdf5.damaged(FILE, f"format {hdf5.text(file, 'format')!r}, not {FORMAT!r}")
        encoded, sizes = read_pool(hdf5.group_at(file, "pool"))
        count = (len(encoded),)
        return FrameSet(
            hdf5.read(file, "times", "float64", count), hdf5.read(file, "source_index", "int64", count), sizes, encoded,
            json.loads(hdf5.text(file, "meta")),
        )

"""Writes a list of pictures as a real MP4 file (MPEG-4 part 2, the codec every OpenCV wheel can write)."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from strive.cache.atomic import write_bytes
from strive.configs.errors import MissingError


def write_mp4(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float, side: int) -> None:
    """Write square uint8 RGB frames [side, side, 3] at a constant rate; the file appears under its name when whole.

    Raises MissingError when OpenCV has no MPEG-4 encoder.
    """
    with tempfile.TemporaryDirectory() as workshop:
        encoded = Path(workshop) / "video.mp4"  # OpenCV picks the container by the suffix
        _encode(encoded, path.name, frames, fps, side)
        write_bytes(path, encoded.read_bytes())


def _encode(path: Path, name: str, frames: Iterable[NDArray[np.uint8]], fps: float, side: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (side, side))
    try:
        if not writer.isOpened():
            raise MissingError(
                f"{name}: OpenCV could not open an MPEG-4 writer.",
                "An OpenCV build with the mp4v encoder, as in the opencv-python wheels, and a writable folder.",
                "Reinstall it with `pip install --force-reinstall opencv-python-headless`.",
            )
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
    finally:
        writer.release()

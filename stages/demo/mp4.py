"""Writes a list of pictures as a real MP4 file (MPEG-4 part 2, the codec every OpenCV wheel can write)."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from strive.configs.errors import StriveError


def write_mp4(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float, side: int) -> None:
    """Write square uint8 RGB frames [side, side, 3] at a constant rate; the file appears under its name when whole.

    Raises StriveError when OpenCV has no MPEG-4 encoder.
    """
    unfinished = path.with_name(f".{path.stem}.part.mp4")  # OpenCV picks the container by the suffix
    writer = cv2.VideoWriter(str(unfinished), cv2.VideoWriter.fourcc(*"mp4v"), fps, (side, side))
    try:
        if not writer.isOpened():
            raise StriveError(
                f"{path}: OpenCV could not open an MPEG-4 writer.",
                "An OpenCV build with the mp4v encoder, as in the opencv-python wheels, and a writable folder.",
                "Reinstall it with `pip install --force-reinstall opencv-python-headless`.",
            )
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
    finally:
        writer.release()
    unfinished.replace(path)

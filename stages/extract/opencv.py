"""Decodes forward with OpenCV; offered for comparison: it neither says what was damaged nor knows mirrored video."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from strive.configs.errors import ItemError
from strive.stages.archive.member import Member
from strive.stages.bundle.opencv import import_cv2
from strive.stages.extract.orientation import Orientation
from strive.stages.extract.pyav import shots as pyav_shots
from strive.stages.extract.scan import DEMUXERS, open_container, video_stream
from strive.stages.extract.shot import Shot


def orientation_of(path: Path | Member, facts: Any) -> Orientation:
    """The first frame's orientation, which OpenCV would apply wrongly when it mirrors."""
    with open_container(path) as container:
        first = next(pyav_shots(container, video_stream(container), facts), None)
    return first.turned() if first else Orientation()


def shots(path: Path | Member, facts: Any) -> Iterator[Shot]:
    """The frames in presentation order; times as OpenCV gives them, moved to the container's start."""
    if not isinstance(path, Path):
        raise ItemError("OpenCV reads no zip members; extract.decoder=pyav does")
    cv2 = import_cv2()
    upright = orientation_of(path, facts)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"format_whitelist;{DEMUXERS}|protocol_whitelist;file|threads;1"
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise ItemError("OpenCV cannot open it")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        size = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        number = -1
        while capture.grab():
            number += 1
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 + facts.first_s
            yield Shot(number, seconds, None, False, size, lambda: upright, lambda: retrieve(cv2, capture))
    finally:
        capture.release()


def retrieve(cv2: Any, capture: Any) -> np.ndarray:
    """The pixels of the grabbed frame, uint8 RGB [H, W, 3]."""
    ok, image = capture.retrieve()
    if not ok:
        raise ItemError("OpenCV could not convert a frame that it decoded")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

"""Frames as small pictures inside the page."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from strive.stages.bundle.reader import Variant
from strive.stages.report.canvas import clock

MOST, SIDE, QUALITY = 16, 144, 75


@dataclass(frozen=True)
class Thumbnail:
    """A data URI (JPEG) and the frame's true time as text."""

    source: str
    time: str


def thumbnails(variant: Variant) -> list[Thumbnail]:
    """At most `MOST` frames of the variant, evenly chosen, no side above `SIDE` pixels."""
    frames = [frame for clip in variant.clips() for frame in clip]
    spread = np.linspace(0, len(frames) - 1, min(MOST, len(frames))).round().astype(int)
    chosen: list[int] = np.unique(spread).tolist()
    gaps = np.diff(np.unique(variant.times))
    digits = 2 if len(gaps) and float(gaps.min()) < 0.15 else 1
    return [Thumbnail(data_uri(Image.fromarray(frames[i])), clock(float(variant.times[i]), digits)) for i in chosen]


def data_uri(picture: Image.Image) -> str:
    """The picture, shrunk to fit `SIDE`, as a JPEG data URI."""
    picture = picture.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")

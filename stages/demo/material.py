"""Training material for the demo models: frames of worlds that no user's world shares a seed with."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from strive.stages.demo.mp4 import write_mp4
from strive.stages.demo.scene import COMET_SPEED, HEADINGS, SIDE
from strive.stages.demo.script import DURATION_S, VIDEO_FPS, Script, Showing, write_script
from strive.stages.demo.world import film

POOL_TIMES = np.append(np.arange(DURATION_S), DURATION_S - 1 / VIDEO_FPS)  # s: one frame a second and the last


@dataclass(frozen=True)
class Material:
    """Scripts and the frames that extraction would give for them."""

    scripts: list[Script]
    frames: NDArray[np.uint8]  # [videos, len(POOL_TIMES), SIDE, SIDE, 3] RGB


def make_material(seed: int, split: str, videos: int) -> Material:
    """Write real MP4 files, so that the models learn with the codec's artefacts, and read them back."""
    scripts = [write_script(seed, split, index) for index in range(videos)]
    frames = np.empty((videos, len(POOL_TIMES), SIDE, SIDE, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for index, script in enumerate(scripts):
            path = Path(folder) / f"{index}.mp4"
            write_mp4(path, film(script), VIDEO_FPS, SIDE)
            frames[index] = _read_pool(path)
            path.unlink()
    return Material(scripts, frames)


def _read_pool(path: Path) -> NDArray[np.uint8]:
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while True:
        more, picture = capture.read()
        if not more:
            break
        pictures.append(picture[..., ::-1])
    capture.release()
    return np.stack([pictures[round(time * VIDEO_FPS)] for time in POOL_TIMES])


def shown_at(script: Script, time_s: float) -> list[Showing]:
    """What is on screen at a time."""
    return [showing for showing in script.showings if showing.start_s <= time_s <= showing.end_s]


def box_of(showing: Showing, time_s: float) -> tuple[float, float, float, float]:
    """The showing's box (x0, y0, x1, y1) as fractions of the picture at a time."""
    x, y = showing.x, showing.y
    if showing.kind == "direction":
        travelled = (time_s - (showing.start_s + showing.end_s) / 2) * COMET_SPEED
        x, y = x + HEADINGS[showing.value][0] * travelled, y + HEADINGS[showing.value][1] * travelled
    half = showing.size / 2
    return (x - half, y - half, x + half, y + half)

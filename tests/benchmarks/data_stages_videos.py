"""Writes the videos that the benchmarks of the data stages read: moving, textured 720p H.264 as people have it."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SIZE = (1280, 720)
RATE = 30
MARGIN = (800, 400)
SCALES = (4, 16, 64, 200)
CUT_S = 11
DISCS = 12


def moving(path: Path, seconds: int, seed: int, gop: int = 250) -> Path:
    """A camera that sways over a textured scene with discs crossing it, a cut now and then, and sensor noise.

    x264 veryfast at its default quality, B-frames, a key frame at least every `gop` frames. A file that is there stays.
    """
    if path.exists():
        return path
    part = path.with_suffix(".part.mp4")
    rng = np.random.default_rng(seed)
    scene = texture(rng)
    noise = [rng.integers(0, 7, (SIZE[1], SIZE[0], 3), dtype=np.uint8) for _ in range(8)]
    discs = [(rng.uniform(0, SIZE), rng.uniform(-4, 4, 2), int(rng.integers(20, 90)), rng.integers(0, 255, 3).tolist())
             for _ in range(DISCS)]
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"preset": "veryfast", "g": str(gop)}
        for i in range(seconds * RATE):
            if i and i % (CUT_S * RATE) == 0:
                scene = np.ascontiguousarray(scene[:, ::-1] if i // (CUT_S * RATE) % 2 else scene[::-1])
            frame = av.VideoFrame.from_ndarray(cv2.add(seen(scene, discs, i), noise[i % 8]), format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return part.rename(path)


def texture(rng: np.random.Generator) -> np.ndarray:
    """Noise of several scales, uint8 [H, W, 3], larger than a picture by the margin."""
    width, height = SIZE[0] + MARGIN[0], SIZE[1] + MARGIN[1]
    found = np.full((height, width, 3), 120, np.float32)
    for scale in SCALES:
        coarse = rng.standard_normal((height // scale + 2, width // scale + 2, 3)).astype(np.float32)
        found += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * (14 * scale**0.25)
    return np.clip(found, 0, 255).astype(np.uint8)


def seen(scene: np.ndarray, discs: list, i: int) -> np.ndarray:
    """What the camera sees at frame i, uint8 [720, 1280, 3]."""
    x = int(MARGIN[0] / 2 * (1 + 0.95 * np.sin(0.35 * i / RATE)))
    y = int(MARGIN[1] / 2 * (1 + 0.9 * np.cos(0.23 * i / RATE)))
    image = scene[y : y + SIZE[1], x : x + SIZE[0]].copy()
    for place, speed, radius, colour in discs:
        cv2.circle(image, tuple(int(v) for v in (place + speed * i) % SIZE), radius, colour, -1)
    return image

"""Reads the answers of the demo world's questions off pixels alone: what a sighted viewer of these frames would say."""

from collections import Counter
from collections.abc import Callable

import numpy as np
from PIL import Image

from strive.stages.demo.questions import COLOURS

Frames = np.ndarray  # [T, H, W, 3] uint8 RGB, in the order in which they are shown
CELLS = 24
COMET_HEAD, PLATE = (255, 240, 210), (200, 200, 200)
HEAD_PIXELS = 80  # of the 130 that a head covers; the edge of a white shape may have its tint in 50


def near(frame: np.ndarray, colour: tuple[int, int, int], distance: float) -> np.ndarray:
    """Where a frame has this colour, bool [H, W]."""
    return np.asarray(np.linalg.norm(frame.astype(float) - colour, axis=-1) < distance)


def nearest_colour(pixels: np.ndarray) -> str:
    """The name of the colour nearest to the median of pixels [N, 3]."""
    middle = np.median(pixels, axis=0)
    return min(COLOURS, key=lambda name: float(np.linalg.norm(middle - COLOURS[name])))


def saturated(frame: np.ndarray, by: int = 70) -> np.ndarray:
    """Where a frame is not grey: its channels differ by more than `by`, bool [H, W]."""
    return np.asarray(np.ptp(frame.astype(int), axis=-1) > by)


def disc_colour(frames: Frames, times: np.ndarray) -> str | None:
    """The colour of the large disc: of most frames in which one colour of the palette covers 500 pixels."""
    seen = []
    for frame in frames:
        masks = {name: near(frame, colour, 60) for name, colour in COLOURS.items()}
        name = max(masks, key=lambda one: int(masks[one].sum()))
        if masks[name].sum() >= 500:
            seen.append(name)
    return most_common(seen)


def spot_colour(frames: Frames, times: np.ndarray) -> str | None:
    """The colour of the spot on the light plate: of most frames in which both are seen."""
    seen = []
    for frame in frames:
        plate = near(frame, PLATE, 25)
        if plate.sum() < 500:
            continue
        rows, columns = np.nonzero(plate)
        inside = np.zeros(plate.shape, bool)
        inside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        spot = inside & saturated(frame)
        if spot.sum() >= 10:
            seen.append(nearest_colour(frame[spot]))
    return most_common(seen)


def comet_heading(frames: Frames, times: np.ndarray) -> str | None:
    """Which way the comet's head moves: the slope of its place over the times told, along the longer axis."""
    masks = [near(frame, COMET_HEAD, 30) & ~is_card(frame) for frame in frames]
    heads = [(t, *np.argwhere(mask).mean(axis=0)) for t, mask in zip(times, masks, strict=True)
             if mask.sum() >= HEAD_PIXELS]
    if len(heads) < 2:
        return None
    told, y, x = np.array(heads).T
    down, right = (float(np.polyfit(told, axis, 1)[0]) for axis in (y, x))
    if abs(right) > abs(down):
        return "right" if right > 0 else "left"
    return "down" if down > 0 else "up"


def first_shape(frames: Frames, times: np.ndarray) -> str | None:
    """The white shape of the first frame that shows one."""
    for frame in frames:
        white = (frame >= 225).all(-1)
        if white.sum() >= 150 and not is_card(frame):
            return shape_of(white)
    return None


def is_card(frame: np.ndarray) -> bool:
    """Whether a frame shows the black card, whose dots are white too; nothing else is black."""
    return bool((frame <= 20).all(-1).sum() >= 300)


def shape_of(mask: np.ndarray) -> str:
    """The shape whose template overlaps most with what is set in the mask, scaled to its bounding box."""
    rows, columns = np.nonzero(mask)
    box = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    seen = np.asarray(Image.fromarray(box.astype(np.uint8) * 255).resize((CELLS, CELLS))) > 127
    overlap = {name: (seen & form).sum() / (seen | form).sum() for name, form in templates().items()}
    return max(overlap, key=lambda name: float(overlap[name]))


def templates() -> dict[str, np.ndarray]:
    """Each shape within its bounding box, bool [CELLS, CELLS]."""
    y, x = np.meshgrid(*[(np.arange(CELLS) + 0.5) / CELLS * 2 - 1] * 2, indexing="ij")
    away = np.hypot(x, y)
    return {"square": np.ones_like(x, bool), "triangle": np.abs(x) < (y + 1) / 2,
            "cross": (np.abs(x) < 0.3) | (np.abs(y) < 0.3), "ring": (away < 1) & (away > 0.7)}


def most_common(names: list[str]) -> str | None:
    """The name that occurs most often, None without any."""
    return Counter(names).most_common(1)[0][0] if names else None


READERS: dict[str, Callable[[Frames, np.ndarray], str | None]] = {
    "colour": disc_colour, "detail": spot_colour, "direction": comet_heading, "order": first_shape,
}

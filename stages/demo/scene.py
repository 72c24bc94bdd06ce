"""Draws one frame of a demo video: dim scenery, a grey wanderer that means nothing, and whatever is on."""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from strive.stages.demo.questions import COLOURS
from strive.stages.demo.script import Script, Showing, generator

SIDE = 112  # pixels
COMET_SPEED = 0.06  # of the width, per second
SUB = 4  # fractional bits of cv2 coordinates: positions are exact to 1/16 pixel

Image = NDArray[np.uint8]  # [SIDE, SIDE, 3] RGB
DOTS: dict[int, tuple[tuple[int, int], ...]] = {  # places on the card by number, in half card widths
    1: ((0, 0),),
    2: ((-1, -1), (1, 1)),
    3: ((-1, -1), (0, 0), (1, 1)),
    4: ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    5: ((-1, -1), (-1, 1), (0, 0), (1, -1), (1, 1)),
}
HEADINGS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def scenery(script: Script) -> Image:
    """The still background of a video: uint8 RGB [SIDE, SIDE, 3], darker than everything that is asked about."""
    rng = generator("scenery", script.scenery_seed)
    coarse = rng.uniform(0, 26, (5, 5, 1)) + rng.uniform(0, 12, (5, 5, 3))
    smooth = cv2.resize(coarse.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.uniform(30, 60), 0, 110).astype(np.uint8)


def draw_frame(script: Script, background: Image, time_s: float) -> Image:
    """The picture at a time: uint8 RGB [SIDE, SIDE, 3]."""
    image = background.copy()
    _draw_wanderer(image, script.scenery_seed, time_s)
    for showing in script.showings:
        if showing.start_s <= time_s <= showing.end_s:
            DRAW[showing.kind](image, showing, time_s)
    return image


def _draw_wanderer(image: Image, seed: int, time_s: float) -> None:
    rng = generator("wanderer", seed)
    speed, phase = rng.uniform(0.15, 0.5, 2), rng.uniform(0, 2 * math.pi, 2)
    x, y = 0.5 + 0.38 * np.sin(speed * time_s + phase)
    _disc(image, float(x) * SIDE, float(y) * SIDE, 8, (125, 125, 125))


def _fixed(value: float) -> int:
    return round(value * (1 << SUB))


def _disc(image: Image, x: float, y: float, radius: float, colour: tuple[int, int, int], thickness: int = -1) -> None:
    cv2.circle(image, (_fixed(x), _fixed(y)), _fixed(radius), colour, thickness, cv2.LINE_AA, SUB)


def _polygon(image: Image, points: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
    corners = np.array([[_fixed(x), _fixed(y)] for x, y in points], np.int32)
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, SUB)


def _box(image: Image, x: float, y: float, half_w: float, half_h: float, colour: tuple[int, int, int]) -> None:
    _polygon(image, [(x - half_w, y - half_h), (x + half_w, y - half_h), (x + half_w, y + half_h),
                     (x - half_w, y + half_h)], colour)  # fmt: skip


def _draw_colour(image: Image, showing: Showing, time_s: float) -> None:
    _disc(image, showing.x * SIDE, showing.y * SIDE, showing.size * SIDE / 2, COLOURS[showing.value])


def _draw_shape(image: Image, showing: Showing, time_s: float) -> None:
    x, y, half = showing.x * SIDE, showing.y * SIDE, showing.size * SIDE / 2
    white = (245, 245, 245)
    if showing.value == "square":
        _box(image, x, y, 0.8 * half, 0.8 * half, white)
    elif showing.value == "triangle":
        _polygon(image, [(x, y - half), (x + half, y + 0.8 * half), (x - half, y + 0.8 * half)], white)
    elif showing.value == "cross":
        _box(image, x, y, half, 0.3 * half, white)
        _box(image, x, y, 0.3 * half, half, white)
    else:
        _disc(image, x, y, 0.8 * half, white, thickness=5)


def _draw_comet(image: Image, showing: Showing, time_s: float) -> None:
    """A bright head at the front and a tail that narrows and fades behind it."""
    dx, dy = HEADINGS[showing.value]
    travelled = (time_s - (showing.start_s + showing.end_s) / 2) * COMET_SPEED
    x, y = (showing.x + dx * travelled) * SIDE, (showing.y + dy * travelled) * SIDE
    length = showing.size * SIDE * 1.1
    for share in np.linspace(0.75, -0.45, 13):
        along = -share * length * 0.8
        fade = 1 - max(share + 0.45, 0) / 1.3
        tint = (int(90 + 165 * fade), int(60 + 110 * fade), int(40 + 20 * fade))
        _disc(image, x + dx * along, y + dy * along, 1.2 + 3.6 * fade, tint)
    _disc(image, x + dx * 0.36 * length, y + dy * 0.36 * length, 6.5, (255, 240, 210))


def _draw_card(image: Image, showing: Showing, time_s: float) -> None:
    """A black card with that many white dots, laid out as on a die."""
    x, y, half = showing.x * SIDE, showing.y * SIDE, showing.size * SIDE / 2
    _box(image, x, y, half, half, (225, 225, 225))
    _box(image, x, y, half - 2, half - 2, (8, 8, 8))
    for column, row in DOTS[int(showing.value)]:
        _disc(image, x + column * half * 0.55, y + row * half * 0.55, 5.0, (250, 250, 250))


def _draw_plate(image: Image, showing: Showing, time_s: float) -> None:
    """A light lozenge with one small coloured spot somewhere on it."""
    x, y, half = showing.x * SIDE, showing.y * SIDE, showing.size * SIDE / 2
    _polygon(image, [(x, y - half), (x + half, y), (x, y + half), (x - half, y)], (200, 200, 200))
    off_x, off_y = generator("spot", showing.seed).uniform(-0.35, 0.35, 2) * half
    _disc(image, x + off_x, y + off_y, 4.2, COLOURS[showing.value])


DRAW: dict[str, Callable[[Image, Showing, float], None]] = {
    "colour": _draw_colour,
    "order": _draw_shape,
    "direction": _draw_comet,
    "counting": _draw_card,
    "detail": _draw_plate,
}

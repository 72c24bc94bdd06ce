"""Turns pictures upright: the display matrix of a container as one of the eight ways to turn and mirror a picture."""

import struct
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """What must be done to a decoded picture, in this order: transpose, mirror left–right, mirror top–bottom."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation(self) -> int:
        """Degrees clockwise that the picture is turned by (before a mirroring, if it is mirrored)."""
        if self.transpose:
            return 270 if self.flip_y else 90
        return 180 if self.flip_y else 0

    @property
    def mirrored(self) -> bool:
        """True when left and right are swapped as well."""
        return self.transpose ^ self.flip_x ^ self.flip_y

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The upright picture [H', W', 3] of a decoded one [H, W, 3]."""
        if self.transpose:
            image = image.transpose(1, 0, 2)
        image = image[:, ::-1] if self.flip_x else image
        image = image[::-1] if self.flip_y else image
        return np.ascontiguousarray(image)


def from_matrix(data: bytes) -> Orientation:
    """The orientation nearest to a display matrix, nine int32: x' = a x + c y, y' = b x + d y (ISO 14496-12 §6.2.2)."""
    if len(data) < 36:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", data[:20])
    if not any((a, b, c, d)):
        return Orientation()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)

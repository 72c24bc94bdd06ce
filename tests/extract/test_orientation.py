"""Display matrices turn pictures upright, all eight ways."""

import struct

import numpy as np
import pytest
from videos import is_upright, number_of, picture, turned_back

from strive.stages.extract.orientation import Orientation, from_matrix

MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def matrix(degrees: int, mirror: bool) -> bytes:
    a, b, c, d = MATRICES[degrees]
    a, b = (-a, -b) if mirror else (a, b)
    return struct.pack("=9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_stored_picture_becomes_upright(degrees: int, mirror: bool) -> None:
    found = from_matrix(matrix(degrees, mirror))
    image = found.apply(turned_back(picture(77), degrees, mirror))
    assert image.shape == (48, 64, 3) and is_upright(image) and number_of(image) == 77
    assert found.mirrored == mirror and (mirror or found.rotation == degrees)
    assert np.array_equal(image, picture(77))


@pytest.mark.parametrize("data", [b"", b"\0" * 36, b"\1" * 20])
def test_a_meaningless_matrix_turns_nothing(data: bytes) -> None:
    assert from_matrix(data) == Orientation()

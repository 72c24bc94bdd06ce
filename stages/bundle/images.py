"""Encodes and decodes stored frames: JPEG with full colour resolution (4:4:4), or PNG; sizes are checked unread."""

import struct

import numpy as np

from strive.configs.errors import UsageError, VerificationError
from strive.stages.bundle.opencv import import_cv2

MAX_SIDE = 65500
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def encode(image: np.ndarray, codec: str = "jpeg", quality: int = 95) -> bytes:
    """A uint8 RGB image [H, W, 3] as JPEG (4:4:4, `quality` 1–100) or PNG bytes; same pixels, same bytes."""
    height, width = image.shape[:2]
    if image.dtype != np.uint8 or image.shape[2:] != (3,) or not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UsageError(f"image {image.dtype} {image.shape}", f"uint8 [H, W, 3], sides to {MAX_SIDE}", "Convert it.")
    cv2 = import_cv2()
    if codec == "jpeg":
        full_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        suffix, flags = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality, *full_colour]
    elif codec == "png":
        suffix, flags = ".png", [cv2.IMWRITE_PNG_COMPRESSION, 6]
    else:
        raise UsageError(f"unknown codec {codec!r}", "jpeg or png", "Set extract.codec or variants.codec.")
    ok, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flags)
    if not ok:
        raise UsageError(f"a {width}×{height} image was refused by the {codec} encoder", "an image", "Try codec png.")
    return bytes(data.tobytes())


def decode(data: bytes | memoryview, size: tuple[int, int], into: np.ndarray | None = None) -> np.ndarray:
    """The uint8 RGB image [H, W, 3] in JPEG or PNG bytes, whose header must announce `size` (H, W).

    With `into`, uint8 [H, W, 3], the pixels are put there.
    """
    announced = header_size(data)
    if announced != (int(size[0]), int(size[1])):
        raise VerificationError(f"stored image of {announced}, not {tuple(size)}", "the size written beside it",
                                "Run `strive cache verify --deep` and make the entry again.")
    cv2 = import_cv2()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape[:2] != announced:
        raise VerificationError("stored image cannot be decoded", "JPEG or PNG bytes written by strive",
                                "Run `strive cache verify --deep` and make the entry again.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image if into is None else into))


def header_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """(H, W) as the header of JPEG or PNG bytes announces it; None when there is no such header."""
    if data[:8] == PNG_MAGIC and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return height, width
    return jpeg_size(data) if data[:2] == b"\xff\xd8" else None


def jpeg_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """(H, W) from the first start-of-frame segment of a JPEG."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in FRAME_MARKERS:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return height, width
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None

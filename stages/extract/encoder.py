"""Converts, turns, shrinks and encodes chosen frames in further threads, while the next ones are decoded."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from types import TracebackType
from typing import Any

import numpy as np

from strive.stages.bundle.images import encode
from strive.stages.bundle.opencv import import_cv2
from strive.stages.extract.orientation import Orientation

MAX_LANES = 4
WAITING = 2  # pictures for each lane; more would only cost memory
Picture = Callable[[], np.ndarray]
"""Gives the pixels of a decoded frame, uint8 RGB [H, W, 3], in the thread that encodes it."""


@cache
def pool_of(lanes: int) -> ThreadPoolExecutor:
    """The threads that encode, so many; they are kept, because a thread may not start once memory is scarce."""
    return ThreadPoolExecutor(lanes, thread_name_prefix="encode")


class Encoder:
    """The encoded images of one video, in the order in which they were put; few pictures are held at a time."""

    def __init__(self, codec: str, quality: int, lanes: int = 1) -> None:
        self.codec, self.quality = codec, quality
        self._pool, self._most = pool_of(min(lanes, MAX_LANES)), WAITING * min(lanes, MAX_LANES)
        self._going: deque[Future[bytes]] = deque()
        self._images: list[bytes] = []

    def put(self, picture: Picture, orientation: Orientation, size: tuple[int, int]) -> None:
        """Take a decoded picture to be stored upright at `size` (H, W).

        Raises what an earlier one raised, `MemoryError` when no thread can be started.
        """
        while len(self._going) >= self._most:
            self._images.append(self._going.popleft().result())
        try:
            self._going.append(self._pool.submit(made, picture, orientation, size, self.codec, self.quality))
        except RuntimeError as error:
            raise MemoryError from error

    def images(self) -> list[bytes]:
        """All images, once they are made."""
        while self._going:
            self._images.append(self._going.popleft().result())
        return self._images

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Nothing of this video is at work any more when this returns."""
        for future in self._going:
            if not future.cancel():
                future.exception()


def warm_up() -> None:
    """Start the thread of one lane and make an image, so that what libraries do at first use costs no video."""
    pool_of(1).submit(made, lambda: np.zeros((16, 16, 3), np.uint8), Orientation(), (8, 8), "jpeg", 95).result()


def made(picture: Picture, orientation: Orientation, size: tuple[int, int], codec: str, quality: int) -> bytes:
    """One stored image. Raises `MemoryError` when OpenCV has none."""
    cv2 = import_cv2()
    try:
        return encode(shrink(orientation.apply(picture()), size), codec, quality)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        raise


def shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An RGB image at (H, W) `size`, by area averaging."""
    if image.shape[:2] == size:
        return image
    cv2: Any = import_cv2()
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA))

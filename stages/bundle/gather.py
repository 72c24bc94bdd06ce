"""Collects the images of a bundle: stored frames as the bytes they are, changed ones encoded, each only once."""

import json

import numpy as np

from strive.configs.errors import ItemError
from strive.stages.bundle.images import encode
from strive.stages.frames.frameset import FrameSet
from strive.stages.views.operators import changes_pixels, render
from strive.stages.views.view import View


class Gathered:
    """The pool of one bundle while it grows: `encoded` images and their `sizes` (H, W), in order of first use."""

    def __init__(self, frames: FrameSet, codec: str, quality: int) -> None:
        self.frames, self.codec, self.quality = frames, codec, quality
        self.encoded: list[bytes] = []
        self.sizes: list[tuple[int, int]] = []
        self._slots: dict[bytes, int] = {}
        self._made: dict[tuple[int, str], int] = {}

    @property
    def size_bytes(self) -> int:
        """Bytes of all images so far."""
        return sum(map(len, self.encoded))

    def add_view(self, view: View) -> np.ndarray:
        """Gather a view's images; int64 [T] places in the pool. `ItemError` when a clip would mix image sizes."""
        slots = np.array([self.add_image(view, at, int(i)) for at, i in enumerate(view.indices)], np.int64)
        bounds = view.bounds()
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            sizes = sorted({self.sizes[slot] for slot in slots[start:stop]})
            if len(sizes) > 1:
                raise ItemError(f"frames of different sizes in one clip ({sizes[0]} and {sizes[-1]})", "one size",
                                "The video changes its picture size; convert it to one size.")
        return slots

    def add_image(self, view: View, position: int, index: int) -> int:
        """The place of one frame as the view shows it."""
        steps = changes_pixels(view, position)
        name = (index, json.dumps(steps, sort_keys=True))
        if name not in self._made:
            self._made[name] = self.add_changed(index, steps) if steps else self.add_stored(index)
        return self._made[name]

    def add_stored(self, index: int) -> int:
        """A frame as it is stored, not encoded a second time."""
        height, width = self.frames.sizes[index].tolist()
        return self.keep(self.frames.encoded[index], (height, width))

    def add_changed(self, index: int, steps: list[dict]) -> int:
        """A frame after the operators that change pixels."""
        image = render(self.frames.image(index), steps, index)
        return self.keep(encode(image, self.codec, self.quality), (image.shape[0], image.shape[1]))

    def keep(self, data: bytes, size: tuple[int, int]) -> int:
        """The place of these bytes, which equal images share."""
        if data not in self._slots:
            self._slots[data] = len(self.encoded)
            self.encoded.append(data)
            self.sizes.append(size)
        return self._slots[data]

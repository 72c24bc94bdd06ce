"""A decoded frame on its way through: when it is shown, and its pixels if they are wanted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strive.stages.extract.orientation import Orientation


@dataclass(slots=True)
class Shot:
    """One decoded frame. `turned` and `pixels` look into the frame, so only chosen frames pay for it; they must be
    called before the next frame is asked for, `pixels` of a `lasting` one whenever you like, in any thread."""

    number: int  # in decoding output order from 0, undecodable frames that came out damaged included
    time: float | None  # seconds from the container's start, None when the container does not say
    duration: float | None  # seconds on screen, None when unknown
    broken_before: bool  # data was lost between the frame before and this one
    size: tuple[int, int]  # (H, W) as decoded, before turning upright
    turned: Callable[[], Orientation]  # how to turn it upright
    pixels: Callable[[], np.ndarray]  # uint8 RGB [H, W, 3] as decoded
    lasting: bool = False

    def picture(self) -> Callable[[], np.ndarray]:
        """The `pixels` of any frame, for later: converted there, or now where it must be."""
        if self.lasting:
            return self.pixels
        image = self.pixels()
        return lambda: image

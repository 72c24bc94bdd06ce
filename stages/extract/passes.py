"""One pass over a video: what every frame says of itself, and the stored images of the wanted ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strive.stages.archive.member import Member
from strive.stages.extract import opencv, pyav, sparse
from strive.stages.extract.encoder import Encoder
from strive.stages.extract.orientation import Orientation
from strive.stages.extract.scan import Facts, open_container, video_stream
from strive.stages.extract.shot import Shot

Want = Callable[[int, float | None], bool]
"""Whether frame `index`, among those that are not left out, at `time` is to be stored."""


@dataclass
class Pass:
    """What one pass gave; lists have one entry for each frame that is not left out."""

    raw: list[float | None] = field(default_factory=list)  # times
    numbers: list[int] = field(default_factory=list)  # in the source
    broken: list[bool] = field(default_factory=list)  # data was lost before it
    encoded: dict[int, bytes] = field(default_factory=dict)  # by index in these lists
    picture: tuple[int, int] = (0, 0)  # (H, W) of the first frame as decoded
    orientation: Orientation = Orientation()  # of the first frame
    stored: tuple[int, int] = (0, 0)  # (H, W) of stored images
    lasts: float | None = None  # seconds on screen of the last frame, None when unknown
    resized: bool = False  # a stored frame was of another size than the first
    decoded: int = 0

    def note(self, shot: Shot, short_side: int) -> None:
        """Take down what a frame says; the first one settles the size of all stored images."""
        if not self.decoded:
            self.picture, self.orientation = shot.size, shot.turned()
            self.stored = target_size(self.upright, short_side)
        self.raw.append(shot.time)
        self.numbers.append(shot.number)
        self.broken.append(shot.broken_before)
        self.lasts = shot.duration
        self.decoded += 1

    @property
    def upright(self) -> tuple[int, int]:
        """(H, W) of the first frame turned upright."""
        return self.picture[::-1] if self.orientation.transpose else self.picture


def run(
    path: Path | Member, facts: Facts, request: dict[str, Any], want: Want, parts: list[range] | None, threads: int
) -> Pass:
    """Decode the video, or only its stretches `parts` (see `sparse`), and encode the wanted frames.

    After stretches the lists are as if all frames had been decoded. Raises `Unsure` where this way of decoding cannot
    tell.
    """
    found, taken = Pass(), []
    with Encoder(request["codec"], request["jpeg_quality"], threads) as encoder:
        for shot in frames_of(path, facts, request["decoder"], parts, threads):
            index = len(found.raw) if parts is None else shot.number
            found.note(shot, request["short_side"])
            if want(index, shot.time):
                found.resized |= shot.size != found.picture
                encoder.put(shot.picture(), shot.turned(), found.stored)
                taken.append(index)
        found.encoded = dict(zip(taken, encoder.images(), strict=True))
    if parts is not None:
        count = len(facts.packet_times)
        found.raw, found.numbers, found.broken = list(facts.packet_times.tolist()), list(range(count)), [False] * count
    return found


def frames_of(
    path: Path | Member, facts: Facts, decoder: str, parts: list[range] | None = None, threads: int = 1
) -> Iterator[Shot]:
    """The video's frames in presentation order, by the named decoder."""
    if decoder == "opencv":
        yield from opencv.shots(path, facts)
        return
    with open_container(path) as container:
        stream = video_stream(container)
        if parts is None:
            yield from pyav.shots(container, stream, facts, threads)
        else:
            yield from sparse.shots(container, stream, facts, parts, threads)


def target_size(upright: tuple[int, int], short_side: int) -> tuple[int, int]:
    """(H, W) of stored frames: the first frame upright, shrunk to the short side, never enlarged."""
    height, width = upright
    scale = min(1.0, short_side / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))

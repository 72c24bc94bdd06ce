"""Takes the frames of one video: decode forward, choose by presentation time, shrink, turn upright, encode."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from strive.configs.errors import ItemError
from strive.stages.archive.contents import Entry
from strive.stages.archive.member import Member
from strive.stages.bundle.images import encode
from strive.stages.bundle.opencv import import_cv2
from strive.stages.extract import opencv, pyav
from strive.stages.extract.sampling import choose
from strive.stages.extract.scan import Facts, open_container, scan, video_stream
from strive.stages.extract.shot import Shot
from strive.stages.extract.timeline import Timeline, covered, fill

SAME_TIME_DIGITS = 6


@dataclass
class Pass:
    """What one run over a video gave."""

    raw: list[float | None] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    broken: list[bool] = field(default_factory=list)
    encoded: dict[int, tuple[bytes, tuple[int, int]]] = field(default_factory=dict)
    first: Shot | None = None
    last: Shot | None = None
    resized: bool = False


def prepare() -> None:
    """Import OpenCV and keep it to one thread: children are the parallelism."""
    import_cv2().setNumThreads(1)


def take(request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """The chosen frames of `request["path"]`: a header (times, source_index, sizes, meta, warnings), encoded images.

    The request carries the extract config's result keys. The frames are chosen on the times of the frames that did
    decode; a first choice on packet times saves the second decoding pass whenever both agree.
    """
    path = source_of(request)
    facts = scan(path)
    expected = np.unique(facts.packet_times)
    limits = (request["fps"], request["min_frames"], request["max_frames"])
    guess = {round(t, SAME_TIME_DIGITS) for t in expected[choose(expected, *limits)].tolist()}
    found = run(path, facts, request, lambda i, time: time is not None and round(time, SAME_TIME_DIGITS) in guess)
    timeline = fill(found.raw, facts.rate)
    meta = judge(facts, found, timeline, request["min_decodable"])
    chosen = choose(timeline.times, *limits).tolist()
    if not set(chosen) <= found.encoded.keys():
        wanted = set(chosen)
        found.encoded = run(path, facts, request, lambda i, time: i in wanted).encoded
    header = {
        "times": timeline.times[chosen].tolist(), "source_index": [found.numbers[i] for i in chosen],
        "sizes": [found.encoded[i][1] for i in chosen], "warnings": warnings(facts, found),
        "meta": {**meta, "decoder": request["decoder"]},
    }
    return header, [found.encoded[i][0] for i in chosen]


def source_of(request: dict[str, Any]) -> Path | Member:
    """The video file, or the zip member, that a request names."""
    path = Path(request["path"])
    if request.get("entry") is None:
        return path
    return Member(path, Entry(**request["entry"]), Path(request["spill"]))


def frames_of(path: Path | Member, facts: Facts, decoder: str) -> Iterator[Shot]:
    """The video's frames, forward, by the named decoder."""
    if decoder == "opencv":
        yield from opencv.shots(path, facts)
        return
    with open_container(path) as container:
        yield from pyav.shots(container, video_stream(container), facts)


def run(path: Path | Member, facts: Facts, request: dict[str, Any], want: Any) -> Pass:
    """Decode the whole video once; encode the frames for which `want(index, time)` is true."""
    found = Pass()
    target: tuple[int, int] | None = None
    for i, shot in enumerate(frames_of(path, facts, request["decoder"])):
        found.raw.append(shot.time)
        found.numbers.append(shot.number)
        found.broken.append(shot.broken_before)
        found.first, found.last = found.first or shot, shot
        target = target or target_size(shot, request["short_side"])
        if want(i, shot.time):
            image = shot.orientation.apply(shot.pixels())
            found.resized |= shot.size != found.first.size
            found.encoded[i] = (encode(shrink(image, target), request["codec"], request["jpeg_quality"]), target)
    return found


def target_size(shot: Shot, short_side: int) -> tuple[int, int]:
    """(H, W) of stored frames: the first frame upright, shrunk to the short side, never enlarged."""
    height, width = shot.size[::-1] if shot.orientation.transpose else shot.size
    scale = min(1.0, short_side / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An RGB image at (H, W) `size`, by area averaging."""
    if image.shape[:2] == size:
        return image
    cv2 = import_cv2()
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA))


def judge(facts: Facts, found: Pass, timeline: Timeline, min_decodable: float) -> dict[str, Any]:
    """The facts to store; `ItemError` when decoded frames cover less than `min_decodable` of the announced duration."""
    count = len(timeline.times)
    if not count or found.first is None or found.last is None:
        raise ItemError(f"{facts.announced_frames} frames announced, 0 decodable")
    lasts = found.last.duration or 1 / facts.rate
    seconds = covered(timeline.times, np.asarray(found.broken), lasts, facts.rate)
    share = min(seconds / facts.announced_s, 1.0) if facts.announced_s > 0 else 1.0
    if share < min_decodable:
        raise ItemError(f"{facts.announced_frames} frames announced, {count} decodable")
    orientation = found.first.orientation
    size = found.first.size[::-1] if orientation.transpose else found.first.size
    return {
        "rotation": orientation.rotation, "mirrored": orientation.mirrored, "height": size[0], "width": size[1],
        "times": "estimated" if timeline.estimated or not facts.carried else "exact",
        "announced_frames": facts.announced_by_header, "packets": len(facts.packet_times), "decoded_frames": count,
        "decodable": round(share, 6), "duration_s": float(timeline.times[-1] + lasts), "average_rate": facts.rate,
        "container": facts.format, "video_codec": facts.codec,
    }


def warnings(facts: Facts, found: Pass) -> list[str]:
    """What a user should know of a video that was taken all the same."""
    said = []
    if len(found.raw) < facts.announced_frames:
        said.append(f"{facts.announced_frames} frames announced, {len(found.raw)} decodable; the rest is left out")
    if found.resized:
        said.append("the picture size changes within the video; frames were brought to the first one's size")
    return said



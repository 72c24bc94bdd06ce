"""Prints which decoder is right about frames, times and uprightness (the table of docs/extract.md).

Run it with `python tests/benchmarks/decoders.py`.

Every picture carries its frame number, so a wrong frame, a wrong time and a turned picture are all seen. Four readers:
OpenCV asked for frame i by index, OpenCV read forward, PyAV read forward, and strive's own reading of PyAV.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import av
import cv2
import numpy as np

from strive.configs.errors import ItemError
from strive.stages.extract.passes import frames_of
from strive.stages.extract.scan import scan
from strive.stages.extract.timeline import fill

MILLISECOND = 0.001
Frames = list[tuple[float | None, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A file with the numbers of the frames it shows and their true times from the container's start."""

    name: str
    path: Path
    numbers: list[int]
    times: list[float]


def load_videos() -> ModuleType:
    """tests/videos.py, which is no installed module."""
    spec = importlib.util.spec_from_file_location("videos", Path(__file__).parents[1] / "videos.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases(v: ModuleType, d: Path) -> list[Case]:
    """The files of the table."""
    even = [i / 10 for i in range(30)]
    gaps = np.round(np.cumsum(np.random.default_rng(1).uniform(0.02, 0.4, 29)), 3).tolist()
    uneven = [0.0, *gaps]
    every = list(range(30))
    plain, b = v.make_video(d / "plain.mp4"), v.make_video(d / "b.mp4", bframes=3)
    front = v.make_front_index(d / "front.mp4")
    return [
        Case("H.264 MP4", plain, every, even),
        Case("B-frames, MP4", b, every, even),
        Case("B-frames, MPEG-TS", v.make_video(d / "b.ts", bframes=2, muxer="mpegts"), every, even),
        Case("B-frames, MPEG-PS", v.make_video(d / "b.mpg", codec="mpeg2video", fps=25, bframes=2), every,
             [i / 25 for i in every]),
        Case("B-frames, AVI (MPEG-4)", v.make_video(d / "b4.avi", codec="mpeg4", bframes=2), every, even),
        Case("B-frames, AVI (H.264)", v.make_video(d / "b.avi", bframes=3), every, even),
        Case("variable rate, MP4", v.make_video(d / "vfr.mp4", times=uneven), every, uneven),
        Case("variable rate + B, MKV", v.make_video(d / "vfr.mkv", times=uneven, bframes=2), every, uneven),
        Case("edit list (first 8 of 30 cut)", v.trim_by_edit(b, d / "edit.mp4", 10240), every[8:], even[:22]),
        Case("odd size 63×47, 4:4:4", v.make_video(d / "odd.mp4", size=(63, 47), pix_fmt="yuv444p"), every, even),
        Case("size 62×46", v.make_video(d / "62.mp4", size=(62, 46)), every, even),
        Case("rotated 90°", v.make_rotated(d / "r90.mp4", 90), every, even),
        Case("rotated 180°", v.make_rotated(d / "r180.mp4", 180), every, even),
        Case("rotated 270°", v.make_rotated(d / "r270.mp4", 270), every, even),
        Case("mirrored", v.make_rotated(d / "mirror.mp4", 0, mirror=True), every, even),
        Case("mirrored + 90°", v.make_rotated(d / "m90.mp4", 90, mirror=True), every, even),
        Case("10-bit HEVC", v.make_video(d / "ten.mp4", codec="libx265", pix_fmt="yuv420p10le"), every, even),
        Case("AVI, 444 announced, 30 held", v.avi_claim(v.make_video(d / "m.avi", codec="mjpeg", pix_fmt="yuvj420p"),
                                                        d / "claim.avi", 444), every, even),
        Case("AVI, 444 entries, 68 pictures", v.avi_dropped(d / "drop.avi", range(0, 408, 6), 444, fps=15),
             list(range(0, 408, 6)), [i / 15 for i in range(0, 408, 6)]),
        Case("cut, index in front (11 whole)", v.cut_after(front, d / "cut.mp4", 11), every[:11],
             [i / 30 for i in range(11)]),
        Case("bytes changed in the stream", v.flip_bits(front, d / "flip.mp4", 0.4), list(range(90)),
             [i / 30 for i in range(90)]),
    ]


def opencv_seek(path: Path) -> Frames:
    """Frame i by index, for every index that the header announces."""
    capture, found = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    for i in range(max(0, min(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 1000))):
        capture.set(cv2.CAP_PROP_POS_FRAMES, i)
        ok, image = capture.read()
        if ok:
            found.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, image[..., ::-1]))
    return found


def opencv_forward(path: Path) -> Frames:
    """All frames in a row."""
    capture, found = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while True:
        ok, image = capture.read()
        if not ok:
            return found
        found.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, image[..., ::-1]))


def pyav_forward(path: Path) -> Frames:
    """All frames in a row, as PyAV's documentation shows it."""
    found: Frames = []
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(video=0):
                found.append((frame.time, frame.to_ndarray(format="rgb24")))
        except av.FFmpegError:
            pass
    return found


def strive(path: Path) -> Frames:
    """All frames as the extract stage sees them."""
    facts = scan(path)
    shots = [(shot.time, shot.turned().apply(shot.pixels())) for shot in frames_of(path, facts, "pyav")]
    times = fill([time for time, _ in shots], facts.rate).times
    return [(float(time), image) for time, (_, image) in zip(times, shots, strict=True)]


READERS: dict[str, Callable[[Path], Frames]] = {
    "OpenCV, by index": opencv_seek, "OpenCV, forward": opencv_forward, "PyAV, forward": pyav_forward, "strive": strive,
}


def verdict(v: ModuleType, case: Case, reader: Callable[[Path], Frames]) -> str:
    """What a reader got wrong about a file."""
    try:
        frames = reader(case.path)
    except (ItemError, av.FFmpegError, cv2.error) as error:
        return str(error)[:40]
    faults = []
    true = dict(zip(case.numbers, case.times, strict=True))
    if frames and not v.is_upright(frames[0][1]):
        return "not upright"
    numbers = [v.number_of(image) for _, image in frames]
    foreign = sum(number not in true for number in numbers)
    doubled = len(numbers) - foreign - len({n for n in numbers if n in true})
    known = [(time, true[n]) for (time, _), n in zip(frames, numbers, strict=True) if n in true]
    late = [abs(time - right) if time is not None else 9.9 for time, right in known]
    if len(frames) != len(case.numbers):
        faults.append(f"{len(frames)} of {len(case.numbers)} frames")
    if foreign:
        faults.append(f"{foreign} damaged")
    if doubled:
        faults.append(f"{doubled} repeated")
    if late and max(late) > MILLISECOND:
        faults.append(f"{sum(t > MILLISECOND for t in late)} times off by up to {max(late):.2f} s")
    return ", ".join(faults) or "right"


def main() -> None:
    """Print the table in Markdown."""
    v = load_videos()
    with tempfile.TemporaryDirectory() as folder:
        files = cases(v, Path(folder))
        rows = [[case.name, *(verdict(v, case, reader) for reader in READERS.values())] for case in files]
    sys.stdout.write(f"PyAV {av.__version__}, OpenCV {cv2.__version__}\n\n")
    header = ["file", *READERS]
    for row in (header, ["---"] * len(header), *rows):
        sys.stdout.write("| " + " | ".join(row) + " |\n")


if __name__ == "__main__":
    main()

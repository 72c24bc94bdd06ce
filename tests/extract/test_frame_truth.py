"""Every extracted frame is the one whose presentation time was asked for, and its stored time is right within 1 ms.

The pictures carry their number, and the tests know when each number is shown; which frames must come is worked out
here, frame by frame, from those times alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from videos import make_rotated, make_video, number_of, trim_by_edit

MILLISECOND = 1e-3
COUNT = 48
EVEN = [i / 10 for i in range(COUNT)]
STEPS = np.random.default_rng(2).uniform(0.02, 0.3, COUNT - 1)
UNEVEN = [0.0, *np.round(np.cumsum(STEPS), 3).tolist()]
X265 = "log-level=none"
QUICK = {"libsvtav1": {"preset": "12"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


@dataclass(frozen=True)
class Case:
    """A way to write a video. `is_seekable`: sparsely sampled, it is decoded in stretches."""

    name: str
    codec: str = "libx264"
    more: dict[str, Any] = field(default_factory=dict)
    times: list[float] | None = None
    is_seekable: bool = False

    def make(self, folder: Path) -> Path:
        options = {**QUICK.get(self.codec, {}), **self.more.get("options", {})}
        return make_video(folder / self.name, **{
            "frames": COUNT, "codec": self.codec, "times": self.times, "gop": 6, **self.more, "options": options,
        })


G = {"g": "6"}
GOP = {"options": G}
CASES = [
    Case("constant.mp4", is_seekable=True), Case("variable.mp4", times=UNEVEN, is_seekable=True),
    Case("b.mp4", more={"bframes": 3}, is_seekable=True),
    Case("b-variable.mkv", more={"bframes": 3}, times=UNEVEN, is_seekable=True),
    Case("open.mp4", more={"bframes": 3, "options": {"x264-params": "open-gop=1"}}),
    Case("open.mkv", more={"bframes": 2, "options": {"x264-params": "open-gop=1"}}, times=UNEVEN),
    Case("long.mp4", more={"gop": 250, "bframes": 3}),
    Case("refresh.mp4", more={"options": {"x264-params": "intra-refresh=1"}}),
    Case("ten.mp4", more={"pix_fmt": "yuv420p10le"}, is_seekable=True),
    Case("odd.mp4", more={"size": (63, 47), "pix_fmt": "yuv444p"}, is_seekable=True),
    Case("interlaced.mp4", more={"options": {"x264-params": "interlaced=1"}, "size": (64, 64)}, is_seekable=True),
    Case("repeated-headers.mp4", more={"options": {"x264-params": "repeat-headers=1"}, "bframes": 2}, is_seekable=True),
    Case("sliced.mkv", more={"options": {"x264-params": "slices=4"}}, is_seekable=True),
    Case("fragments.mp4", more={"muxer_options": {"movflags": "frag_keyframe+empty_moov"}}, is_seekable=True),
    Case("sound.mp4", more={"audio": True, "bframes": 2}, is_seekable=True),
    Case("b.ts", more={"bframes": 2, "muxer": "mpegts"}), Case("plain.avi"), Case("b.avi", more={"bframes": 2}),
    Case("hevc.mp4", "libx265", {"bframes": 3, "options": {"x265-params": X265}}),
    Case("hevc-closed.mkv", "libx265", {"bframes": 3, "options": {"x265-params": f"{X265}:open-gop=0"}}, UNEVEN, True),
    Case("hevc-ten.mp4", "libx265", {"pix_fmt": "yuv420p10le", "options": {"x265-params": X265}}, None, True),
    Case("hevc.ts", "libx265", {"muxer": "mpegts", "options": {"x265-params": X265}}),
    Case("vp9.webm", "libvpx-vp9", GOP, is_seekable=True),
    Case("vp9-odd.mkv", "libvpx-vp9", {**GOP, "size": (63, 47)}, UNEVEN, True),
    Case("vp9-hidden.webm", "libvpx-vp9", {"options": {**G, "auto-alt-ref": "1", "lag-in-frames": "5"}}, None, True),
    Case("vp8.webm", "libvpx", GOP), Case("av1.mp4", "libsvtav1", GOP, is_seekable=True),
    Case("av1.mkv", "libsvtav1", GOP, UNEVEN, True),
    Case("av1-ten.mp4", "libsvtav1", {**GOP, "pix_fmt": "yuv420p10le"}, is_seekable=True),
    Case("mpeg4.mp4", "mpeg4", {**GOP, "bframes": 2}), Case("mpeg4.avi", "mpeg4", GOP),
    Case("mpeg4-b.avi", "mpeg4", {"bframes": 2}),
    Case("mpeg4.mkv", "mpeg4", GOP, UNEVEN),
    Case("mpeg2.ts", "mpeg2video", {"bframes": 2, "muxer": "mpegts", "fps": 25}),
    Case("interlaced.mpg", "mpeg2video", {"fps": 25, "options": {"flags": "+ildct+ilme"}}),
    Case("mjpeg.avi", "mjpeg", {"pix_fmt": "yuvj420p"}),
    Case("mjpeg.mkv", "mjpeg", {"pix_fmt": "yuvj420p"}, UNEVEN, True),
    Case("ffv1.mkv", "ffv1"), Case("prores.mov", "prores_ks", {"pix_fmt": "yuv422p10le"}),
]


def on_screen(times: list[float], fps: float) -> list[int]:
    """The frame shown at each i / fps, and the last one."""
    targets = np.arange(0, times[-1] + 1e-9, 1 / fps)
    shown = [max([i for i, t in enumerate(times) if t <= target + 1e-6], default=0) for target in targets]
    return sorted({*shown, len(times) - 1})


def check(found: Any, numbers: list[int], times: list[float]) -> None:
    """Each frame is the one that its number in the source says, shown when that number is."""
    assert [number_of(image) for image in found.images] == [numbers[i] for i in found.index]
    assert np.abs(found.times - np.asarray(times)[found.index]).max() < MILLISECOND
    assert not found.warnings


def check_all(path: Path, taken: Callable[..., Any], times: list[float], numbers: list[int] | None = None) -> list[Any]:
    """Several samplings of one video, each with one and two threads; gives the sparse ones."""
    numbers, sparse = numbers or list(range(len(times))), []
    for fps, fewest, most in ((0.25, 1, 256), (1.0, 1, 256), (2.7, 1, 256), (1.0, 20, 256), (1.0, 64, 3), (1.0, 64, 1)):
        one, two = (taken(path, fps=fps, min_frames=fewest, max_frames=most, threads=n) for n in (1, 2))
        check(one, numbers, times)
        assert one.encoded == two.encoded and (one.times.tolist(), one.index) == (two.times.tolist(), two.index)
        assert one.meta == two.meta and one.meta["decoded_frames"] == len(times) and one.meta["decodable"] == 1
        if fewest == 1:
            assert one.index == on_screen(times, fps)
        assert min(fewest, most, len(times)) <= len(one.index) <= most
        sparse += [one] if most <= 3 else []
    return sparse


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_frames_are_those_that_were_asked_for(
    case: Case, tmp_path: Path, taken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fps, path = case.more.get("fps", 10), case.make(tmp_path)
    sparse = check_all(path, taken, case.times or [i / fps for i in range(COUNT)])
    assert [one.undecoded > 0 for one in sparse] == [case.is_seekable] * 2
    monkeypatch.setattr("strive.stages.extract.sparse.WORTHWHILE", 0)
    for one, most in zip(sparse, (3, 1), strict=True):
        whole = taken(path, min_frames=64, max_frames=most)
        assert whole.undecoded == 0 and whole.encoded == one.encoded and whole.meta == one.meta
        assert (whole.index, whole.times.tolist()) == (one.index, one.times.tolist())


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_frames_are_those_that_were_asked_for(degrees: int, tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = make_rotated(tmp_path / "r.mp4", degrees, frames=COUNT, gop=6)
    assert all(one.undecoded > 0 for one in check_all(path, taken, EVEN))


@pytest.mark.parametrize("bframes", [0, 3])
def test_frames_behind_an_edit_list_are_those_that_were_asked_for(
    bframes: int, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    source = make_video(tmp_path / "a.mp4", COUNT, bframes=bframes)
    with av.open(str(source)) as container:
        ticks = 1 / (container.streams.video[0].time_base * 10)
        delay = next(packet.pts - packet.dts for packet in container.demux(video=0))
    path = trim_by_edit(source, tmp_path / "b.mp4", int(8 * ticks + delay))
    check_all(path, taken, EVEN[: COUNT - 8], list(range(8, COUNT)))


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_frames_of_a_video_that_starts_after_its_sound_are_those_that_were_asked_for(
    name: str, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    muxer = "matroska" if name.endswith("mkv") else "mp4"
    late = [0.5 + t for t in EVEN]
    path = make_video(tmp_path / name, times=late, audio=True, muxer=muxer, bframes=2, gop=6)
    check_all(path, taken, late)

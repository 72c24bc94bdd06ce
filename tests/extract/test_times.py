"""The stored time of a frame is its presentation time, in every container; nothing is counted out from an index."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from videos import avi_dropped, make_video, number_of, trim_by_edit

EVEN = [i / 10 for i in range(30)]
UNEVEN = [0.0, *np.round(np.cumsum(np.random.default_rng(1).uniform(0.02, 0.4, 39)), 3).tolist()]


def numbers(images: list[np.ndarray]) -> list[int]:
    return [number_of(image) for image in images]


@pytest.mark.parametrize(("name", "more", "times"), [
    ("plain.mp4", {}, EVEN), ("b.mp4", {"bframes": 3}, EVEN), ("b.mkv", {"bframes": 3}, EVEN),
    ("b.ts", {"bframes": 2, "muxer": "mpegts"}, EVEN), ("x.flv", {"codec": "flv"}, EVEN),
    ("x.wmv", {"codec": "wmv2", "muxer": "asf"}, EVEN), ("x.gif", {"codec": "gif", "pix_fmt": "rgb8"}, EVEN),
    ("vfr.mp4", {"times": UNEVEN}, UNEVEN), ("vfr.mkv", {"times": UNEVEN, "bframes": 2}, UNEVEN),
    ("x.webm", {"codec": "libvpx-vp9"}, EVEN), ("m.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, EVEN),
    ("sound.mp4", {"audio": True}, EVEN), ("sound.mkv", {"audio": True, "muxer": "matroska"}, EVEN),
])
def test_times_are_presentation_times_within_a_millisecond(
    tmp_path: Path, taken: Callable[..., Any], name: str, more: dict[str, Any], times: list[float]
) -> None:
    found = taken(make_video(tmp_path / name, **more))
    assert found.meta["times"] == "exact" and not found.warnings
    assert np.allclose(found.times, times, atol=1e-3)
    assert numbers(found.images) == found.index == list(range(len(times)))


@pytest.mark.parametrize(("name", "codec"), [("mpeg4.avi", "mpeg4"), ("h264.avi", "libx264")])
def test_an_avi_with_b_frames_has_estimated_times_that_are_right(
    tmp_path: Path, taken: Callable[..., Any], name: str, codec: str
) -> None:
    found = taken(make_video(tmp_path / name, codec=codec, bframes=2))
    assert found.meta["times"] == "estimated"
    assert np.allclose(found.times, EVEN, atol=1e-3) and numbers(found.images) == list(range(30))


def test_a_stream_without_any_times_is_counted_at_its_rate_and_says_so(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    found = taken(make_video(tmp_path / "raw.h264", fps=25, bframes=2, muxer="h264"))
    assert found.meta["times"] == "estimated" and np.allclose(np.diff(found.times), 1 / 25)
    assert numbers(found.images) == list(range(30))


def test_the_frame_for_a_time_is_the_one_on_screen(tmp_path: Path, taken: Callable[..., Any]) -> None:
    found = taken(make_video(tmp_path / "vfr.mp4", times=UNEVEN), fps=1.0, min_frames=1)
    on_screen = {max(i for i, t in enumerate(UNEVEN) if t <= second) for second in range(int(UNEVEN[-1]) + 1)}
    assert found.index == sorted(on_screen | {len(UNEVEN) - 1}) == numbers(found.images)


def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path: Path, taken: Callable[..., Any]) -> None:
    source = make_video(tmp_path / "a.mp4", bframes=3)
    with av.open(str(source)) as container:
        ticks = int(0.8 / container.streams.video[0].time_base)
    found = taken(trim_by_edit(source, tmp_path / "b.mp4", ticks + 2048))
    assert numbers(found.images)[-1] == 29 and numbers(found.images)[0] in (8, 10)
    assert np.isclose(found.times[0], 0, atol=1e-3)


def test_dropped_frames_of_a_capture_leave_gaps_not_repeats(tmp_path: Path, taken: Callable[..., Any]) -> None:
    shown = range(0, 408, 6)
    found = taken(avi_dropped(tmp_path / "a.avi", shown, 444, fps=15), min_frames=100)
    assert found.meta["announced_frames"] == 444 and found.meta["decoded_frames"] == 68
    assert numbers(found.images) == list(shown) and np.allclose(found.times, np.asarray(shown) / 15)


def test_a_video_that_starts_late_keeps_its_late_times(tmp_path: Path, taken: Callable[..., Any]) -> None:
    found = taken(make_video(tmp_path / "late.mkv", times=[0.5 + t for t in EVEN], audio=True, muxer="matroska"))
    assert np.allclose(found.times, [0.5 + t for t in EVEN], atol=2e-3)


def test_both_decoders_agree_where_opencv_can_tell_times(tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = make_video(tmp_path / "vfr.mp4", times=UNEVEN, bframes=2)
    one, other = taken(path), taken(path, decoder="opencv")
    assert np.allclose(one.times, other.times, atol=1e-3) and one.index == other.index
    assert all(np.array_equal(a, b) for a, b in zip(one.images, other.images, strict=True))

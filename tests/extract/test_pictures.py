"""Pictures come out upright, as RGB, never enlarged, whatever the codec; what cannot be decoded is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from videos import is_upright, make_rotated, make_video, number_of, picture

from strive.configs.errors import ItemError


@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_rotation_and_mirroring_are_undone(
    tmp_path: Path, taken: Callable[..., Any], decoder: str, degrees: int, mirror: bool
) -> None:
    found = taken(make_rotated(tmp_path / "r.mp4", degrees, mirror, frames=3), decoder=decoder)
    assert [image.shape for image in found.images] == [(48, 64, 3)] * 3
    assert all(is_upright(image) for image in found.images) and number_of(found.images[2]) == 2
    assert (found.meta["height"], found.meta["width"], found.meta["mirrored"]) == (48, 64, mirror)
    assert mirror or found.meta["rotation"] == degrees


@pytest.mark.parametrize(("name", "more"), [
    ("ten.mp4", {"codec": "libx265", "pix_fmt": "yuv420p10le"}), ("grey.mkv", {"codec": "ffv1", "pix_fmt": "gray"}),
    ("alpha.mov", {"codec": "qtrle", "pix_fmt": "argb"}),
    ("vp9alpha.webm", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"}),
    ("vp8.webm", {"codec": "libvpx"}), ("av1.mp4", {"codec": "libsvtav1"}),
    ("prores.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
    ("odd.mp4", {"size": (63, 47), "pix_fmt": "yuv444p"}), ("x.mpg", {"codec": "mpeg2video", "fps": 25}),
    ("animated.png", {"codec": "apng", "pix_fmt": "rgb24", "muxer": "apng"}),
    ("raw.avi", {"codec": "rawvideo", "pix_fmt": "bgr24"}),
    ("x.y4m", {"codec": "rawvideo", "muxer": "yuv4mpegpipe"}), ("old.avi", {"codec": "cinepak", "pix_fmt": "rgb24"}),
    ("frag.mp4", {"muxer": "mp4", "muxer_options": {"movflags": "frag_keyframe+empty_moov"}}),
])
def test_odd_codecs_and_formats_work(
    tmp_path: Path, taken: Callable[..., Any], name: str, more: dict[str, Any]
) -> None:
    found = taken(make_video(tmp_path / name, frames=12, **more))
    assert [number_of(image) for image in found.images] == list(range(12))
    grey = name.startswith("grey")
    assert all(image.dtype == np.uint8 and (grey or is_upright(image)) for image in found.images)
    assert found.images[0].shape == ((47, 63, 3) if name == "odd.mp4" else (48, 64, 3))


def test_one_pixel_and_one_frame_are_enough(tmp_path: Path, taken: Callable[..., Any]) -> None:
    dot = taken(make_video(tmp_path / "dot.avi", 5, codec="png", pix_fmt="rgb24", size=(1, 1)))
    assert len(dot.images) == 5 and dot.images[0].shape == (1, 1, 3)
    one = taken(make_video(tmp_path / "one.mp4", 1))
    assert len(one.images) == 1 and one.times.tolist() == [0.0]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_a_still_image_is_a_video_of_one_frame(tmp_path: Path, taken: Callable[..., Any], suffix: str) -> None:
    path = tmp_path / f"still %d{suffix}"
    cv2.imwrite(str(path), picture(9)[..., ::-1])
    found = taken(path)
    assert len(found.images) == 1 and number_of(found.images[0]) == 9


@pytest.mark.parametrize(("size", "short_side", "stored"), [
    ((64, 48), 336, (48, 64)), ((320, 240), 120, (120, 160)), ((240, 320), 120, (160, 120)), ((1000, 10), 8, (8, 800)),
])
def test_pictures_are_shrunk_to_the_short_side_and_never_enlarged(
    tmp_path: Path, taken: Callable[..., Any], size: tuple[int, int], short_side: int, stored: tuple[int, int]
) -> None:
    found = taken(make_video(tmp_path / "a.mp4", 2, size=size), short_side=short_side)
    assert found.images[0].shape[:2] == stored


def test_png_frames_are_the_decoded_pixels(tmp_path: Path, taken: Callable[..., Any]) -> None:
    found = taken(make_video(tmp_path / "a.mkv", 3, codec="ffv1", pix_fmt="bgr0"), codec="png")
    assert np.array_equal(found.images[2], picture(2))


def test_colours_of_hd_video_are_right(tmp_path: Path, taken: Callable[..., Any]) -> None:
    options = {"crf": "1", "x264-params": "colormatrix=smpte170m"}
    found = taken(make_video(tmp_path / "hd.mp4", 1, size=(1280, 720), options=options), short_side=720)
    assert is_upright(found.images[0])


def test_a_playlist_that_names_other_files_is_refused(tmp_path: Path, taken: Callable[..., Any]) -> None:
    make_video(tmp_path / "secret.ts", muxer="mpegts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\nsecret.ts\n#EXT-X-ENDLIST\n"
    for text in (playlist, "ffconcat version 1.0\nfile secret.ts\n"):
        (tmp_path / "list.mp4").write_text(text)
        for decoder in ("pyav", "opencv"):
            with pytest.raises(ItemError, match="not a video"):
                taken(tmp_path / "list.mp4", decoder=decoder)

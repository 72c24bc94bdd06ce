"""Broken inputs are named with their reason and never replaced; lying headers of whole files do no harm."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from videos import (
    avi_claim,
    cut,
    cut_after,
    flip_bits,
    make_audio_only,
    make_cover_art,
    make_front_index,
    make_video,
    number_of,
    scale_duration,
)

from strive.configs.errors import ItemError
from strive.stages.extract.probe import refuse


def reason(taken: Callable[..., Any], path: Path, **changes: Any) -> str:
    with pytest.raises(ItemError) as error:
        taken(path, **changes)
    return str(error.value)


def test_paths_that_are_no_files_are_named_without_opening_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty.mp4").touch()
    assert refuse(tmp_path / "pipe.mp4") == "a FIFO, not a video file"
    assert refuse(tmp_path) == "a folder, not a video file"
    assert refuse(tmp_path / "link.mp4") == "broken symbolic link"
    assert refuse(tmp_path / "no.mp4") == "no such file"
    assert refuse(tmp_path / "empty.mp4") == "empty file"
    assert refuse(Path("/dev/null")) == "a device, not a video file"
    assert refuse(tmp_path / ("x" * 300)) == "not readable (File name too long)"


def test_sound_without_pictures_is_no_video(tmp_path: Path, taken: Callable[..., Any]) -> None:
    assert reason(taken, make_audio_only(tmp_path / "a.mp4")) == "no video stream"
    assert reason(taken, make_cover_art(tmp_path / "b.mp3")) == "no video stream"


def test_a_lost_index_is_named(tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = cut(make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4", 0.6)
    assert reason(taken, path) == "index missing (file cut short?)"


@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
def test_half_a_download_fails_with_both_numbers(tmp_path: Path, taken: Callable[..., Any], decoder: str) -> None:
    path = cut_after(make_front_index(tmp_path / "a.mp4"), tmp_path / "b.mp4", 11)
    assert reason(taken, path, decoder=decoder) == "90 frames announced, 11 decodable"


def test_half_a_download_is_taken_if_allowed_without_inventing_frames(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    path = cut_after(make_front_index(tmp_path / "a.mp4"), tmp_path / "b.mp4", 11)
    found = taken(path, min_decodable=0.1)
    assert [number_of(image) for image in found.images] == list(range(11))
    assert np.allclose(found.times, np.arange(11) / 30) and "90 frames announced, 11 decodable" in found.warnings[0]


@pytest.mark.parametrize(("name", "more"), [
    ("a.mkv", {"options": {"crf": "10"}}), ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
])
def test_cut_files_of_other_containers_fail_too(
    tmp_path: Path, taken: Callable[..., Any], name: str, more: Any
) -> None:
    path = cut(make_video(tmp_path / name, size=(320, 240), **more), tmp_path / f"cut-{name}", 0.6)
    assert reason(taken, path).startswith("30 frames announced, ")


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_stream_fails_or_gives_each_frame_once_at_its_own_time(
    tmp_path: Path, taken: Callable[..., Any], seed: int
) -> None:
    source = make_front_index(tmp_path / "a.mp4", size=(160, 120), gop=15)
    path = flip_bits(source, tmp_path / "b.mp4", 0.4, 30, seed)
    assert reason(taken, path).startswith("90 frames announced, ")
    found = taken(path, min_decodable=0.05, min_frames=90)
    assert np.all(np.diff(found.times) > 0) and len(set(found.index)) == len(found.index)
    right = [abs(number_of(image) / 30 - time) < 1e-3 for image, time in zip(found.images, found.times, strict=True)]
    assert np.mean(right) > 0.9, "frames that build on damaged ones must be left out"


def test_headers_that_announce_more_than_a_whole_file_holds_do_no_harm(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    plain = make_video(tmp_path / "m.avi", codec="mjpeg", pix_fmt="yuvj420p")
    for frames in (444, 2**31 - 1, 31):
        found = taken(avi_claim(plain, tmp_path / "claim.avi", frames))
        assert len(found.images) == 30 and found.meta["announced_frames"] == frames
        assert np.allclose(found.times, np.arange(30) / 10)


@pytest.mark.parametrize("factor", [3, 1000])
def test_a_header_with_a_false_duration_does_no_harm(tmp_path: Path, taken: Callable[..., Any], factor: int) -> None:
    found = taken(scale_duration(make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4", factor))
    assert len(found.images) == 30 and np.isclose(found.meta["duration_s"], 3.0)


@pytest.mark.parametrize("rate", [1, 90_000])
def test_an_absurd_frame_rate_in_the_header_does_no_harm(tmp_path: Path, taken: Callable[..., Any], rate: int) -> None:
    times = [i / 10 for i in range(30)]
    found = taken(make_video(tmp_path / "a.mkv", fps=min(rate, 1000), times=times))
    assert np.allclose(found.times, times, atol=1e-3)


def test_sound_that_goes_on_after_the_pictures_is_no_loss(tmp_path: Path, taken: Callable[..., Any]) -> None:
    for name, muxer in (("a.mkv", "matroska"), ("a.mp4", "mp4"), ("a.ts", "mpegts")):
        found = taken(make_video(tmp_path / name, 3, audio=True, muxer=muxer))
        assert len(found.images) == 3 and not found.warnings


def test_a_matroska_header_with_a_false_duration_does_no_harm(tmp_path: Path, taken: Callable[..., Any]) -> None:
    data = bytearray(make_video(tmp_path / "a.mkv").read_bytes())
    at = bytes(data).index(b"\x44\x89\x88") + 3  # the element Duration, a float of 8 bytes
    data[at : at + 8] = struct.pack(">d", struct.unpack(">d", data[at : at + 8])[0] * 1000)
    (tmp_path / "b.mkv").write_bytes(data)
    found = taken(tmp_path / "b.mkv")
    assert len(found.images) == 30 and np.isclose(found.meta["duration_s"], 3.0)


def test_a_file_allotted_in_full_but_half_downloaded_fails(tmp_path: Path, taken: Callable[..., Any]) -> None:
    data = bytearray(make_front_index(tmp_path / "a.mp4").read_bytes())
    start = bytes(data).index(b"mdat") + 4
    half = start + (len(data) - start) // 2
    data[half:] = bytes(len(data) - half)
    (tmp_path / "b.mp4").write_bytes(data)
    assert reason(taken, tmp_path / "b.mp4").startswith("90 frames announced, ")
    found = taken(tmp_path / "b.mp4", min_decodable=0.1, min_frames=90)
    assert [number_of(image) for image in found.images] == list(range(len(found.images))) and len(found.images) < 60


def test_an_avi_whose_writer_died_gives_what_it_holds(tmp_path: Path, taken: Callable[..., Any]) -> None:
    data = bytearray(make_video(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p").read_bytes())
    data[4:8] = bytes(4)
    (tmp_path / "b.avi").write_bytes(data[: bytes(data).index(b"idx1")])
    assert [number_of(image) for image in taken(tmp_path / "b.avi").images] == list(range(30))


def test_a_recording_that_starts_between_key_frames_loses_only_what_cannot_be_decoded(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    data = make_video(tmp_path / "a.ts", 120, size=(320, 240), muxer="mpegts").read_bytes()
    (tmp_path / "b.ts").write_bytes(data[188 * (len(data) // 188 // 3) :])
    assert "decodable" in reason(taken, tmp_path / "b.ts", min_decodable=0.99)
    found = taken(tmp_path / "b.ts", min_decodable=0.5)
    numbers = [number_of(image) for image in found.images]
    assert numbers[0] % 12 == 0 and numbers[-1] == 119 and np.allclose(np.diff(found.times), np.diff(numbers) / 10)

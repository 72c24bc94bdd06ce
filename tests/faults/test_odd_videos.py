"""V6, V7, V9, V10: odd but whole videos give their own frames, and no header decides what is allocated or believed."""

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import QUICK, artefacts, frames_by_file, strive, write_rows
from videos import avi_claim, is_upright, make_rotated, make_video, number_of, picture, scale_duration

from strive.stages.bundle import Bundle

EVERY = ("extract.min_frames=90", "extract.max_frames=200")


def extracted(folder: Path, cache: Path, *more: str, code: int = 0) -> dict[str, Any]:
    """The frames of the files in a folder after `strive extract`."""
    done = strive("extract", folder, "--json", "--workers", "2", sets=(*EVERY, *more))
    assert done.code == code, done.out + done.err
    return frames_by_file(cache, folder)


def patched(source: Path, target: Path, box: bytes, offset: int, value: int) -> Path:
    """A copy with four bytes of an MP4 box changed: big-endian `value` at `offset` behind the box's name."""
    data = bytearray(source.read_bytes())
    at = data.index(box) + 4 + offset
    data[at : at + 4] = struct.pack(">I", value)
    target.write_bytes(bytes(data))
    return target


def with_rate(source: Path, target: Path, scale: int, rate: int) -> Path:
    """An AVI whose stream header says `rate / scale` frames a second."""
    data = bytearray(source.read_bytes())
    at = data.index(b"strh") + 8 + 20
    data[at : at + 8] = struct.pack("<II", scale, rate)
    target.write_bytes(bytes(data))
    return target


def test_v6_the_frame_for_a_second_is_the_one_on_screen_though_the_rate_varies(tmp_path: Path, own_cache: Path) -> None:
    gaps = np.random.default_rng(6).uniform(0.02, 0.4, 59)
    times = np.round(np.concatenate([[0], np.cumsum(gaps)]), 3)
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "vfr.mp4", times=times.tolist(), bframes=2)
    done = strive("extract", tmp_path / "v", sets=("extract.fps=1", "extract.min_frames=1"))
    assert done.code == 0, done.err
    frames = frames_by_file(own_cache, tmp_path / "v")["vfr.mp4"]
    wanted = [int(np.searchsorted(times, second, "right")) - 1 for second in range(int(times[-1]) + 1)]
    assert [number_of(frames.image(i)) for i in range(len(frames))] == sorted({*wanted, 59})
    assert np.abs(frames.times - times[frames.source_index]).max() < 1e-3


def test_v7_turned_and_mirrored_videos_give_the_pictures_of_the_plain_one(tmp_path: Path, own_cache: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    ways = [(degrees, mirror) for degrees in (90, 180, 270) for mirror in (False, True)] + [(0, True)]
    for degrees, mirror in ways:
        make_rotated(folder / f"{degrees}-{mirror}.mp4", degrees, mirror, frames=3, options={"crf": "1"})
    for name, frames in extracted(folder, own_cache, "extract.codec=png").items():
        pictures = [frames.image(i) for i in range(len(frames))]
        assert [number_of(image) for image in pictures] == [0, 1, 2] and all(map(is_upright, pictures)), name
        assert pictures[1].shape == (48, 64, 3) and (frames.meta["height"], frames.meta["width"]) == (48, 64)
        assert np.abs(pictures[1].astype(int) - picture(1)).mean() < 8, f"{name}: the pixels of the plain picture"


def test_v9_odd_sizes_depths_and_kinds_become_rgb_bytes(tmp_path: Path, own_cache: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    make_video(folder / "dot.avi", 3, codec="png", pix_fmt="rgb24", size=(1, 1))
    make_video(folder / "odd.mp4", 3, size=(63, 47), pix_fmt="yuv444p")
    make_video(folder / "ten.mp4", 3, codec="libx265", pix_fmt="yuv420p10le")
    make_video(folder / "alpha.mov", 3, codec="qtrle", pix_fmt="argb")
    make_video(folder / "grey.mkv", 3, codec="ffv1", pix_fmt="gray")
    make_video(folder / "8k.avi", 1, codec="mjpeg", pix_fmt="yuvj420p", size=(7680, 4320))
    found = extracted(folder, own_cache)
    shapes = {name: frames.image(0).shape for name, frames in found.items()}
    assert shapes == {"dot.avi": (1, 1, 3), "odd.mp4": (47, 63, 3), "ten.mp4": (48, 64, 3), "alpha.mov": (48, 64, 3),
                      "grey.mkv": (48, 64, 3), "8k.avi": (336, 597, 3)}
    assert all(frames.image(0).dtype == np.uint8 for frames in found.values())
    assert all(number_of(frames.image(2)) == 2 for name, frames in found.items() if name not in ("dot.avi", "8k.avi"))
    assert number_of(found["8k.avi"].image(0)) == 0 and is_upright(found["8k.avi"].image(0))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_v9_too_few_frames_are_shown_once_each_and_never_repeated(tmp_path: Path, own_cache: Path, count: int) -> None:
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "short.mp4", count)
    data = write_rows(tmp_path / "data.jsonl", {"q": "short.mp4"})
    contrast = "variants.contrast=[reverse, shuffle]"
    done = strive("variants", "--data", data, "--videos", tmp_path / "v", "--json", sets=(*QUICK, contrast))
    assert done.code == 0, done.out
    bundle = Bundle.open(artefacts(own_cache, "variants")[0].path / "bundle.h5")
    for k in range(bundle.n_variants):
        variant = bundle.variant(k)
        assert len(set(variant.index.tolist())) == len(variant.index) == count
    refused = {veto["operator"] for k in range(bundle.n_variants) for veto in bundle.variant(k).vetoes
               if veto["reason"] == "one frame has no order"}
    assert refused == ({"reverse", "shuffle"} if count == 1 else set()), "what needs two frames is refused"


def test_v10_counts_rates_and_durations_of_headers_are_not_believed(tmp_path: Path, own_cache: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    plain = make_video(tmp_path / "a.mp4")
    old = make_video(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p")
    scale_duration(plain, folder / "duration-x-1000.mp4", 1000)
    patched(plain, folder / "count-2-31.mp4", b"stts", 8, 2**31 - 1)
    patched(plain, folder / "movie-timescale-0.mp4", b"mvhd", 12, 0)
    avi_claim(old, folder / "count-2-31.avi", 2**31)
    with_rate(old, folder / "fps-0.avi", 1, 0)
    with_rate(old, folder / "fps-0-0.avi", 0, 0)
    for name, frames in extracted(folder, own_cache).items():
        assert [number_of(frames.image(i)) for i in range(len(frames))] == list(range(30)), name
        assert np.allclose(frames.times, np.arange(30) / 10, atol=1e-3), name
        assert frames.meta["duration_s"] == pytest.approx(3.0), name


def test_v10_a_rate_of_90000_gives_each_frame_once(tmp_path: Path, own_cache: Path) -> None:
    (tmp_path / "v").mkdir()
    old = make_video(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p")
    with_rate(old, tmp_path / "v" / "fast.avi", 1, 90_000)
    frames = extracted(tmp_path / "v", own_cache)["fast.avi"]
    assert [number_of(frames.image(i)) for i in range(len(frames))] == list(range(30))


@pytest.mark.parametrize(("box", "offset", "value"), [
    (b"stsz", 8, 2**31 - 1), (b"stts", 4, 2**31 - 1), (b"stsz", 4, 1),
])
def test_v10_tables_larger_than_the_file_are_a_failed_item(
    tmp_path: Path, own_cache: Path, box: bytes, offset: int, value: int
) -> None:
    (tmp_path / "v").mkdir()
    patched(make_video(tmp_path / "a.mp4"), tmp_path / "v" / "lie.mp4", box, offset, value)
    done = strive("extract", tmp_path / "v", "--json", sets=("extract.memory_mib=512", "extract.deadline_s=20"))
    assert done.code == 3 and done.reasons["lie.mp4"] in (
        "not a video that can be read", "decoding needed more than 512 MiB of memory",
        "30 frames announced, 0 decodable")


def test_s4_a_picture_of_65535_by_65535_is_a_failed_item(tmp_path: Path, own_cache: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    still = cv2.imencode(".png", picture(3))[1].tobytes()
    (folder / "bomb.png").write_bytes(still[:16] + struct.pack(">II", 65535, 65535) + still[24:])
    (folder / "bomb-16-bit.png").write_bytes(still[:16] + struct.pack(">IIB", 30000, 30000, 16) + still[25:])
    done = strive("extract", *sorted(folder.iterdir()), "--json", sets=("extract.memory_mib=512",))
    assert done.code == 3 and len(done.reasons) == 2 and not artefacts(own_cache, "extract")

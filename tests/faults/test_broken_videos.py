"""V1–V5, V8: a broken video fails by its own name and reason, the others are done, and no frame is ever repeated."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import QUICK, artefacts, frames_by_file, strive, write_rows
from videos import cut, cut_after, flip_bits, make_audio_only, make_cover_art, make_front_index, make_video, number_of

from strive.stages.bundle import Bundle
from strive.stages.frames.frameset import FrameSet

REASONS = {
    "v1-empty.mp4": "empty file",
    "v2-page.mp4": "not a video (an HTML or XML page)",
    "v2-text.mp4": "not a video (text)",
    "v2-folder.mp4": "a folder, not a video file",
    "v2-pipe.mp4": "a FIFO, not a video file",
    "v2-link.mp4": "broken symbolic link",
    "v3-no-index.mp4": "index missing (file cut short?)",
    "v4-half.mp4": "90 frames announced, 11 decodable",
    "v8-sound.mp4": "no video stream",
    "v8-cover.mp3": "no video stream",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each kind of broken input, a stream with flipped bits, and two good files."""
    here = tmp_path_factory.mktemp("broken")
    whole = make_front_index(here / "good.mp4")
    make_video(here / "also-good.mkv", 12)
    (here / "v1-empty.mp4").touch()
    (here / "v2-page.mp4").write_text("<!DOCTYPE html><html><body>403 Forbidden</body></html>")
    (here / "v2-text.mp4").write_text("version https://git-lfs.github.com/spec/v1\n")
    (here / "v2-folder.mp4").mkdir()
    os.mkfifo(here / "v2-pipe.mp4")
    (here / "v2-link.mp4").symlink_to("nowhere.mp4")
    cut(make_video(here / "index-behind.mp4"), here / "v3-no-index.mp4", 0.6)
    (here / "index-behind.mp4").unlink()
    cut_after(whole, here / "v4-half.mp4", 11)
    make_audio_only(here / "v8-sound.mp4")
    make_cover_art(here / "v8-cover.mp3")
    return here


def test_v1_to_v8_each_broken_file_has_its_own_reason_and_the_others_are_done(folder: Path, own_cache: Path) -> None:
    started = time.monotonic()
    named = [path for path in sorted(folder.iterdir()) if not path.is_dir()]
    done = strive("extract", *named, "--json", "--workers", "2")
    assert done.code == 3 and done.answer["status"] == "partial" and done.answer["done"] == 2
    assert {Path(name).name: reason for name, reason in done.reasons.items()} == {
        name: reason for name, reason in REASONS.items() if name != "v2-folder.mp4"}
    assert len(artefacts(own_cache, "extract")) == 2 and time.monotonic() - started < 30, "a FIFO must not block"
    assert len(done.out.splitlines()) == 1


def test_v1_to_v8_a_failed_video_fails_each_of_its_questions_with_that_reason(folder: Path, tmp_path: Path) -> None:
    rows = {f"{name}?{i}": name for name in (*REASONS, "good.mp4") for i in range(2)}
    data = write_rows(tmp_path / "data.jsonl", rows)
    done = strive("variants", "--data", data, "--videos", folder, "--json", sets=QUICK)
    assert done.code == 3 and done.answer["done"] == 2
    assert done.reasons == {sample: REASONS[name] for sample, name in rows.items() if name in REASONS}


def test_v4_an_allowed_half_download_is_sampled_from_its_real_frames_only(
    folder: Path, tmp_path: Path, own_cache: Path
) -> None:
    data = write_rows(tmp_path / "data.jsonl", {"q": "v4-half.mp4"})
    allowed = (*QUICK, "extract.min_decodable=0.1", "extract.min_frames=90", "extract.max_frames=90")
    assert strive("variants", "--data", data, "--videos", folder, sets=allowed).code == 0
    frames = frames_by_file(own_cache, folder)["v4-half.mp4"]
    assert [number_of(frames.image(i)) for i in range(len(frames))] == list(range(11))
    bundle = Bundle.open(artefacts(own_cache, "variants")[0].path / "bundle.h5")
    for k in range(bundle.n_variants):
        times = bundle.variant(k).times
        assert len(times) == 4 and np.all(np.diff(times) > 0) and times[-1] <= 10 / 30 + 1e-6


def test_v5_flipped_bits_never_give_a_frame_twice(tmp_path: Path, own_cache: Path) -> None:
    source = make_front_index(tmp_path / "a.mp4", size=(160, 120), gop=15)
    hurt = tmp_path / "hurt"
    hurt.mkdir()
    for seed in range(6):
        flip_bits(source, hurt / f"{seed}.mp4", 0.4, 30, seed)
    done = strive("extract", hurt, "--json", "--workers", "2")
    assert done.code == 3 and len(done.reasons) == 6
    assert all(reason.startswith("90 frames announced, ") for reason in done.reasons.values())
    strive("extract", hurt, "--json", "--workers", "2", sets=("extract.min_decodable=0", "extract.min_frames=90"))
    found = frames_by_file(own_cache, hurt)
    assert len(found) == 6
    for frames in found.values():
        assert_each_once(frames, 30)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make"), [
    ("a.mp4", lambda path: make_front_index(path, size=(160, 120), gop=15)),
    ("b.mp4", lambda path: make_front_index(path, size=(160, 120), bframes=3)),
    ("a.mkv", lambda path: make_video(path, 90, 30, size=(160, 120))),
    ("a.ts", lambda path: make_video(path, 90, 30, size=(160, 120), muxer="mpegts")),
    ("m.avi", lambda path: make_video(path, 90, 30, size=(160, 120), codec="mjpeg", pix_fmt="yuvj420p")),
    ("x.avi", lambda path: make_video(path, 90, 30, size=(160, 120), codec="mpeg4")),
])
def test_v5_a_hundred_damaged_files_of_each_container_never_give_a_frame_twice(
    tmp_path: Path, own_cache: Path, name: str, make: Callable[[Path], Path]
) -> None:
    source, hurt = make(tmp_path / name), tmp_path / "hurt"
    hurt.mkdir()
    for seed in range(100):
        flip_bits(source, hurt / f"{seed}-{name}", 0.1, 1 + seed % 40, seed)
    strive("extract", hurt, "--json", "--workers", "2", sets=("extract.min_decodable=0", "extract.min_frames=90"))
    found = frames_by_file(own_cache, hurt)
    shares = [assert_each_once(frames, 30, strict=False) for frames in found.values()]
    print(f"{name}: {len(found)} of 100 gave frames, {np.mean(shares):.4f} of the frames show their own number")
    assert len(found) > 50


def assert_each_once(frames: FrameSet, rate: float, strict: bool = True) -> float:
    """Times and source numbers rise; the share of pictures whose number is that of their time, above 0.9 if strict."""
    assert np.all(np.diff(frames.times) > 0) and np.all(np.diff(frames.source_index) > 0)
    right = [abs(number_of(frames.image(i)) / rate - time) < 1e-3 for i, time in enumerate(frames.times)]
    assert not strict or np.mean(right) > 0.9
    return float(np.mean(right))

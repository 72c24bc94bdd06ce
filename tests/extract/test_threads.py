"""However many decoder threads there are, the answer is the same, for damaged files too."""

import json
from pathlib import Path
from typing import Any

import pytest
from videos import cut, cut_after, flip_bits, garble, make_front_index, make_video

from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages.extract.take import take
from strive.stages.extract.threads import decoder_threads

WRITTEN: list[tuple[str, dict[str, Any]]] = [
    ("h264.mp4", {"bframes": 3}), ("h264.mkv", {}), ("h264.ts", {"bframes": 2, "muxer": "mpegts"}),
    ("hevc.mkv", {"codec": "libx265", "bframes": 3, "options": {"x265-params": "log-level=none"}}),
    ("mpeg4.avi", {"codec": "mpeg4"}), ("mjpeg.mkv", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
]


def answer(path: Path, threads: int) -> tuple[str, list[bytes]]:
    """What a child would answer: the header as it is sent or the reason of a failure, and the images."""
    settings = {**Config().extract.result_keys(), "decoder": "pyav", "min_decodable": 0.05, "min_frames": 40}
    try:
        header, images = take({**settings, "path": str(path), "threads": threads})
    except ItemError as error:
        return str(error), []
    return json.dumps(header), images


def check(path: Path, is_noticed: bool = True) -> str:
    """One thread is the judge; gives its header. Where damage is not noticed, FFmpeg leaves pixels to chance."""
    one = answer(path, 1)
    for threads in (2, 3):
        header, images = answer(path, threads)
        assert header == one[0] and (images == one[1] or not is_noticed)
    return one[0]


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize(("name", "more"), WRITTEN, ids=[name for name, _ in WRITTEN])
def test_damaged_files_give_the_same_with_any_number_of_threads(
    name: str, more: dict[str, Any], tmp_path: Path
) -> None:
    whole = make_video(tmp_path / name, 60, size=(96, 64), **more)
    header, broken = check(whole), check(garble(whole, tmp_path / f"garbled-{name}", [25, 26]))
    assert broken != header, "it must have been noticed"
    check(cut(whole, tmp_path / f"cut-{name}", 0.7))
    for seed in range(2):
        check(flip_bits(whole, tmp_path / f"{seed}-{name}", 0.4, 12, seed), is_noticed=False)


@pytest.mark.usefixtures("taken")
def test_a_download_that_broke_off_gives_the_same_with_any_number_of_threads(tmp_path: Path) -> None:
    said = check(cut_after(make_front_index(tmp_path / "a.mp4"), tmp_path / "b.mp4", 11))
    assert "90 frames announced, 11 decodable" in said


@pytest.mark.usefixtures("taken")
def test_the_same_complaint_about_the_next_video_is_heard_too(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mkv", 60, codec="mjpeg", pix_fmt="yuvj420p", size=(96, 64))
    for seed in range(6):
        damaged = flip_bits(whole, tmp_path / f"{seed}.mkv", 0.4, 1, seed)
        assert answer(damaged, 1)[0] == answer(damaged, 1)[0]


@pytest.mark.parametrize(("cores", "workers", "todo", "threads"), [
    (8, 8, 100, 1), (8, 8, 1, 8), (8, 8, 3, 2), (8, 1, 100, 8), (2, 8, 100, 1), (64, 1, 1, 16), (8, 8, 0, 8),
])
def test_the_cores_are_shared_among_the_videos_that_are_decoded_at_the_same_time(
    cores: int, workers: int, todo: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert decoder_threads(workers, todo) == threads

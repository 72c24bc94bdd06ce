"""The outermost boxes say whether a file was cut short, whatever its header announces."""

import struct
from pathlib import Path

import pytest
from videos import avi_claim, cut, make_front_index, make_video

from strive.stages.extract.container import name_content, wholeness


@pytest.mark.parametrize(("name", "more"), [
    ("a.mp4", {}), ("a.mov", {}), ("a.mkv", {}), ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("a.webm", {"codec": "libvpx"}),
])
def test_whole_and_cut_files_are_told_apart(tmp_path: Path, name: str, more: dict[str, str]) -> None:
    path = make_video(tmp_path / name, **more)
    assert wholeness(path) == "whole"
    assert wholeness(cut(path, tmp_path / f"cut-{name}", 0.7)) == "cut"


def test_a_lying_header_is_no_cut(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p")
    assert wholeness(avi_claim(source, tmp_path / "b.avi", 444)) == "whole"


def test_an_avi_whose_index_is_there_is_whole_even_if_its_outermost_size_is_wrong(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(source.read_bytes())
    data[4:8] = struct.pack("<I", len(data) + 1000)
    (tmp_path / "b.avi").write_bytes(data)
    (tmp_path / "c.avi").write_bytes(data[: bytes(data).index(b"idx1")])
    assert wholeness(tmp_path / "b.avi") == "whole" and wholeness(tmp_path / "c.avi") == "cut"


def test_a_format_without_outer_sizes_is_unknown(tmp_path: Path) -> None:
    assert wholeness(make_video(tmp_path / "a.ts", muxer="mpegts")) == "unknown"


@pytest.mark.parametrize(("data", "reason"), [
    (b"<!DOCTYPE html><html>404</html>", "not a video (an HTML or XML page)"),
    (b"\xef\xbb\xbf\n <HTML>", "not a video (an HTML or XML page)"), ("Straße".encode() * 700, "not a video (text)"),
    (b"%PDF-1.7 \0", "not a video (a PDF)"), (b"PK\x03\x04\0\0", "not a video (a ZIP archive)"),
    (b"\0" * 5000, "not a video (nothing but zero bytes)"), (bytes(range(256)) * 20, "not a video that can be read"),
    (struct.pack(">I4s8sI4s", 16, b"ftyp", b"isom", 500, b"mdat"), "index missing (file cut short?)"),
    (struct.pack(">I4sQ", 1, b"mdat", 2**62), "index missing (file cut short?)"),
])
def test_what_is_no_video_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "x.mp4").write_bytes(data)
    assert name_content(tmp_path / "x.mp4") == reason


def test_an_mp4_cut_before_its_index_lost_it(tmp_path: Path) -> None:
    end = cut(make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4", 0.5)
    assert name_content(end) == "index missing (file cut short?)"
    front = make_front_index(tmp_path / "c.mp4")
    assert name_content(cut(front, tmp_path / "d.mp4", 0.9)) != "index missing (file cut short?)"

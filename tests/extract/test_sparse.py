"""Videos of which few frames are wanted are decoded in stretches, and wherever that is not sure, as a whole."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from videos import cut_after, garble, make_front_index, make_video, number_of

STEADY = {"sc_threshold": "0"}  # key frames at even distances only
FEW = {"min_frames": 1, "max_frames": 3}  # frames 0, 44 and 89 of 90
LAST = 89


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return make_front_index(tmp_path / "plain.mp4", 90, 30, gop=6, options=STEADY)


def test_only_the_stretches_with_wanted_frames_are_decoded(plain: Path, taken: Callable[..., Any]) -> None:
    found = taken(plain, **FEW)
    assert [number_of(image) for image in found.images] == found.index == [0, 44, LAST]
    assert found.undecoded == 90 - (1 + 3 + 6)
    assert found.meta["decoded_frames"] == 90 and not found.warnings


def test_where_most_is_wanted_all_is_decoded(plain: Path, taken: Callable[..., Any]) -> None:
    assert taken(plain, min_frames=16).undecoded == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_damage_in_a_stretch_has_the_whole_video_decoded(
    threads: int, plain: Path, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    path = garble(plain, tmp_path / "b.mp4", [86])
    found = taken(path, **FEW, min_decodable=0.5, threads=threads)
    assert found.undecoded == 0 and found.meta["decoded_frames"] < 90
    assert found.index[-1] < LAST and found.warnings


def test_damage_between_the_stretches_does_no_harm_to_the_frames_and_is_not_seen(
    plain: Path, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    path, whole = garble(plain, tmp_path / "b.mp4", [20, 21, 22]), taken(plain, **FEW)
    found = taken(path, **FEW)
    assert found.encoded == whole.encoded and found.undecoded > 0
    assert taken(path, min_decodable=0.5).meta["decoded_frames"] < 90, "a denser sampling looks at all of it"


def test_new_parameters_between_the_stretches_have_the_whole_video_decoded(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    path = make_front_index(tmp_path / "a.mp4", 90, 30, gop=6, options={"x264-params": "repeat-headers=1"})
    assert taken(path, **FEW).undecoded > 0
    with av.open(str(path)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size][24]
    data = bytearray(path.read_bytes())
    assert data[at + 4] & 31 == 7, "a parameter set comes first"
    data[at + 4 + int.from_bytes(data[at : at + 4], "big") - 1] ^= 0x10
    path.write_bytes(data)
    assert taken(path, **FEW, min_decodable=0.1).undecoded == 0


def test_a_video_that_was_cut_short_is_decoded_as_a_whole(
    plain: Path, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    found = taken(cut_after(plain, tmp_path / "b.mp4", 70), **FEW, min_decodable=0.5)
    assert found.undecoded == 0 and found.meta["decoded_frames"] == 70


def test_a_key_frame_that_is_none_has_the_whole_video_decoded(tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = make_video(tmp_path / "a.mp4", 90, 30, gop=30, options=STEADY)
    data = bytearray(path.read_bytes())
    at = data.index(b"stss") + 8  # the list of key frames: how many, then their numbers from 1
    assert struct.unpack(">4I", data[at : at + 16]) == (3, 1, 31, 61)
    data[at : at + 16] = struct.pack(">4I", 3, 1, 41, 71)
    (tmp_path / "b.mp4").write_bytes(data)
    found = taken(tmp_path / "b.mp4", **FEW)
    assert [number_of(image) for image in found.images] == [0, 44, LAST] and found.undecoded == 0
    assert found.encoded == taken(path, **FEW).encoded

"""Frames and their encoded pictures survive storage unchanged, and damage is noticed."""

from dataclasses import dataclass

import numpy as np
import pytest
from videos import number_of, picture

from strive.configs.errors import UsageError, VerificationError
from strive.stages.bundle import images
from strive.stages.frames.frameset import FILE, FrameSet, read_frames, write_frames


@dataclass(frozen=True)
class Stored:
    data: bytes

    def read(self, name: str) -> bytes:
        assert name == FILE
        return self.data


def some_frames(count: int = 4) -> FrameSet:
    encoded = [images.encode(picture(i)) for i in range(count)]
    sizes = np.full((count, 2), (48, 64), np.int32)
    return FrameSet(np.arange(count) / 3, np.arange(count) * 7, sizes, encoded, {"decoder": "pyav", "codec": "jpeg"})


def test_frames_come_back_as_they_were_stored() -> None:
    frames = some_frames()
    back = read_frames(Stored(write_frames(frames)[FILE]))
    assert back.encoded == frames.encoded and back.meta == frames.meta
    assert back.times.dtype == np.float64 and np.array_equal(back.times, frames.times)
    assert back.source_index.dtype == np.int64 and np.array_equal(back.source_index, frames.source_index)
    assert [number_of(image) for image in back.images([3, 0])] == [3, 0]


def test_a_video_without_frames_can_be_stored() -> None:
    assert len(read_frames(Stored(write_frames(some_frames(0))[FILE]))) == 0


def test_a_flipped_byte_is_noticed() -> None:
    data = bytearray(write_frames(some_frames())[FILE])
    place = bytes(data).index(b"\xff\xd8") + 100
    data[place] ^= 1
    with pytest.raises(VerificationError):
        read_frames(Stored(bytes(data)))


def test_another_format_is_refused() -> None:
    from strive.stages.bundle import hdf5

    data = hdf5.build(lambda file: hdf5.set_text(file, "format", "strive.frames/999"))
    with pytest.raises(VerificationError, match="strive.frames/999"):
        read_frames(Stored(data))


@pytest.mark.parametrize(("codec", "worst"), [("jpeg", 12), ("png", 0)])
def test_small_coloured_detail_survives_encoding(codec: str, worst: int) -> None:
    image = np.full((48, 64, 3), 128, np.uint8)
    image[20:22, 30:32] = (255, 0, 0)
    back = images.decode(images.encode(image, codec), (48, 64))
    assert np.abs(back[20:22, 30:32].astype(int) - (255, 0, 0)).max() <= max(worst, 0) + (0 if codec == "png" else 30)
    assert np.abs(back.astype(int) - image).mean() <= worst / 12


@pytest.mark.parametrize("codec", ["jpeg", "png"])
@pytest.mark.parametrize("size", [(1, 1), (47, 63), (2, 300)])
def test_the_size_is_read_from_the_header(codec: str, size: tuple[int, int]) -> None:
    data = images.encode(np.zeros((*size, 3), np.uint8), codec)
    assert images.header_size(data) == size


def test_an_image_of_another_size_than_written_beside_it_is_refused_undecoded() -> None:
    with pytest.raises(VerificationError):
        images.decode(images.encode(picture(1)), (48, 65))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\0", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\0" * 9])
def test_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        images.decode(data, (1, 1))


@pytest.mark.parametrize("image", [
    np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8),
])
def test_only_rgb_bytes_are_encoded(image: np.ndarray) -> None:
    with pytest.raises(UsageError):
        images.encode(image)

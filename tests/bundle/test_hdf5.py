"""HDF5 built in memory: the same bytes each time, and no flipped bit, cut file or absurd header passes for data."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from strive.configs.errors import UsageError, VerificationError
from strive.stages.bundle import hdf5

TEXT = "Ärger 視頻"


def fill(file: h5py.File) -> None:
    hdf5.set_text(file, "format", TEXT)
    group = hdf5.add_group(file, "variants")
    hdf5.add(group, "index", np.arange(1000, dtype=np.int32))
    hdf5.add(group, "none", np.zeros((0, 3), np.float32))
    hdf5.add(file, "image", np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8))


def contents(data: bytes) -> tuple[str, bytes, tuple[int, ...], bytes]:
    with hdf5.open_read(data) as file:
        return (
            hdf5.text(file, "format"), hdf5.read(file, "variants/index", "int32", (None,)).tobytes(),
            hdf5.read(file, "variants/none", "float32", (None, 3)).shape,
            hdf5.read(file, "image", "uint8", (None, None, 3)).tobytes(),
        )


def crafted(write: Callable[[h5py.File], object]) -> bytes:
    with h5py.File("crafted", "w", driver="core", backing_store=False) as file:
        write(file)
        file.flush()
        return bytes(file.id.get_file_image())


def test_what_is_written_is_read_from_bytes_and_from_a_file(tmp_path: Path) -> None:
    data = hdf5.build(fill)
    (tmp_path / "a.h5").write_bytes(data)
    with hdf5.open_read(tmp_path / "a.h5") as file:
        assert hdf5.text(file, "format") == TEXT
    text, index, none, _ = contents(data)
    assert (text, index, none) == (TEXT, np.arange(1000, dtype=np.int32).tobytes(), (0, 3))


def test_identical_content_gives_identical_bytes_whatever_the_clock_says() -> None:
    first = hdf5.build(fill)
    time.sleep(1.1)  # HDF5 stores whole seconds
    assert hdf5.build(fill) == first


def test_several_threads_may_build_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: hdf5.build(fill), range(16)))) == 1


def test_no_flipped_bit_is_read_as_data() -> None:
    data, rng = hdf5.build(fill), np.random.default_rng(7)
    right, refused = contents(data), 0
    for place in rng.integers(0, len(data) * 8, 300).tolist():
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        try:
            assert contents(bytes(damaged)) == right, f"bit {place} changed what was read"
        except VerificationError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_cut_file_is_refused(share: float) -> None:
    data = hdf5.build(fill)
    with pytest.raises(VerificationError):
        contents(data[: int(len(data) * share)])


def test_an_absurd_shape_is_refused_before_anything_is_allocated() -> None:
    data = crafted(lambda f: f.create_dataset("x", shape=(2**50,), dtype="u1", chunks=(1024,)))
    with hdf5.open_read(data) as file, pytest.raises(VerificationError, match="more than the file can hold"):
        hdf5.read(file, "x", "uint8", (None,))


def test_wrong_type_shape_or_name_is_refused() -> None:
    with hdf5.open_read(hdf5.build(fill)) as file:
        wrong: list[tuple[str, str, tuple[int | None, ...]]] = [
            ("image", "int8", (None, None, 3)), ("image", "uint8", (None, None, 4)), ("no", "uint8", (None,)),
            ("variants", "uint8", (None,)), ("variants/index/x", "int32", (None,)),
        ]
        for name, dtype, shape in wrong:
            with pytest.raises(VerificationError):
                hdf5.read(file, name, dtype, shape)


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.arange(3)

    def write(file: h5py.File) -> None:
        file["x"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "x")
        file.create_dataset("raw", (3,), "u1", external=[(str(tmp_path / "secret.h5"), 0, 3)])

    with hdf5.open_read(crafted(write)) as file:
        for name, dtype in (("x", "int64"), ("raw", "uint8")):
            with pytest.raises(VerificationError):
                hdf5.read(file, name, dtype, (3,))


def test_objects_are_never_stored() -> None:
    with pytest.raises(UsageError):
        hdf5.build(lambda file: hdf5.add(file, "x", np.array([{"a": 1}], dtype=object)))


@pytest.mark.parametrize("size", [0, 1, hdf5.CHUNK_BYTES, hdf5.CHUNK_BYTES + 1, 3 * hdf5.CHUNK_BYTES - 5, 2_222_222])
def test_a_large_array_takes_no_more_room_than_its_bytes(size: int) -> None:
    data = hdf5.build(lambda file: hdf5.add(file, "x", np.zeros(size, np.uint8)))
    assert len(data) <= size + 4096

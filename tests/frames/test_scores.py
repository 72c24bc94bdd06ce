"""Scores survive storage unchanged, their file is inert, and damage or lies in it are noticed."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import safetensors.numpy

from strive.configs.errors import VerificationError
from strive.stages.frames.arrays import Arrays, pack
from strive.stages.frames.scores import FILE, Scores, read_scores, write_scores, zscore


@dataclass(frozen=True)
class Stored:
    data: bytes

    def read(self, name: str) -> bytes:
        assert name == FILE
        return self.data


def some_scores(n: int = 7, k: int = 4) -> Scores:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=n).astype(np.float32)
    return Scores(raw, zscore(raw), np.arange(n) / 3, rng.random((k, 4)), rng.random((n, k)).astype(np.float32),
                  {"scorer": {"scorer": "clip"}, "text": {"text": "Wo ist Süd?", "long": 0}})


@pytest.mark.parametrize(("n", "k"), [(7, 4), (1, 0), (0, 0), (256, 9)])
def test_scores_come_back_as_they_were_stored(n: int, k: int) -> None:
    scores = some_scores(n, k)
    back = read_scores(Stored(write_scores(scores)[FILE]))
    for name in ("raw", "importance", "times", "tile_boxes", "tile_saliency"):
        wrote, read = getattr(scores, name), getattr(back, name)
        assert read.dtype == wrote.dtype and read.shape == wrote.shape and np.array_equal(read, wrote)
    assert back.meta == scores.meta


def test_the_same_scores_give_the_same_bytes_and_other_readers_of_the_format_read_them() -> None:
    data = write_scores(some_scores())[FILE]
    assert data == write_scores(some_scores())[FILE]
    read = safetensors.numpy.load(data)
    assert np.array_equal(read["raw"], some_scores().raw) and read["tile_saliency"].shape == (7, 4)


def test_cut_files_are_refused_wherever_they_end() -> None:
    data = write_scores(some_scores())[FILE]
    for end in (0, 7, 8, 50, 400, len(data) - 1):
        with pytest.raises(VerificationError):
            read_scores(Stored(data[:end]))


def with_header(change: dict[str, object]) -> bytes:
    """A file whose header says something else about `raw`, or about the whole."""
    data = write_scores(some_scores())[FILE]
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for name, value in change.items():
        if name in ("raw", "__metadata__"):
            header[name] = value
        else:
            header["raw"][name] = value
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data[8 + length :]


@pytest.mark.parametrize("change", [
    {"shape": [1 << 40]}, {"shape": [-7]}, {"shape": [7.0]}, {"shape": None}, {"shape": [7, 1]}, {"shape": [True] * 7},
    {"data_offsets": [0, 1 << 50]}, {"data_offsets": [28, 0]}, {"data_offsets": [0]}, {"data_offsets": "ab"},
    {"dtype": "F64"}, {"dtype": "O"}, {"dtype": None}, {"raw": 3}, {"raw": None}, {"__metadata__": {}},
    {"__metadata__": {"content": "[]"}}, {"__metadata__": {"content": "{"}}, {"__metadata__": {"content": "{}"}},
    {"__metadata__": {"content": '{"format": "strive.score/9", "meta": {}}'}}, {"__metadata__": 5},
])
def test_a_header_that_does_not_fit_is_refused_before_anything_is_allocated(change: dict[str, object]) -> None:
    with pytest.raises(VerificationError):
        read_scores(Stored(with_header(change)))


def test_a_header_that_claims_to_be_huge_or_is_nested_deep_is_refused() -> None:
    for data in ((1 << 62).to_bytes(8, "little") + bytes(100), (200_000).to_bytes(8, "little") + b"[" * 200_000):
        with pytest.raises(VerificationError):
            Arrays(data, "a file")


def test_arrays_are_read_without_a_copy_and_cannot_be_written_to() -> None:
    array = Arrays(pack({"x": np.arange(3.0)}, ""), "a file").read("x", "float64", (3,))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1

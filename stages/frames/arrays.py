"""Named arrays and one text in one flat file, laid out as safetensors: quick to write, nothing in it can run.

    8 bytes   length of the header, little endian
    header    JSON: {"__metadata__": {"content": text}, name: {"dtype", "shape", "data_offsets"}, …}, padded with spaces
    data      the arrays one after the other, little endian, row by row

The same arrays and text give the same bytes. A checksum is not part of it: an artefact's manifest has one.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any, TypeGuard

import numpy as np

from strive.configs.errors import VerificationError

KINDS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
MAX_HEADER_BYTES = 1 << 20
MAX_RANK = 4


def pack(arrays: Mapping[str, np.ndarray], text: str) -> bytes:
    """The bytes of float32 and float64 arrays, in this order, and a text."""
    header: dict[str, Any] = {"__metadata__": {"content": text}}
    parts, at = list[bytes](), 0
    for name, array in arrays.items():
        kind = {dtype: kind for kind, dtype in KINDS.items()}[array.dtype.newbyteorder("<")]
        parts.append(np.ascontiguousarray(array, KINDS[kind]).tobytes())
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return b"".join((len(head).to_bytes(8, "little"), head, *parts))


class Arrays:
    """The content of such a file, checked against its size; raises `VerificationError` for anything else."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name, length = name, int.from_bytes(data[:8], "little")
        if len(data) < 8 or length > min(MAX_HEADER_BYTES, len(data) - 8):
            raise self.damaged("no whole header")
        try:
            self.header: dict[str, Any] = dict(json.loads(data[8 : 8 + length]))
            self.text = str(self.header.pop("__metadata__")["content"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise self.damaged("its header is not one of arrays and a text") from error
        self._data = memoryview(data)[8 + length :]

    def read(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """One array, read-only, whose dtype and shape must match (`None`: any size)."""
        entry = self.header.get(name)
        if not isinstance(entry, dict) or KINDS.get(str(entry.get("dtype"))) != np.dtype(dtype):
            raise self.damaged(f"no {dtype} array {name}")
        actual, place = entry.get("shape"), entry.get("data_offsets")
        if not is_sizes(actual) or not is_sizes(place) or len(actual) > MAX_RANK or len(place) != 2:
            raise self.damaged(f"{name} has no shape or no place")
        if len(actual) != len(shape) or any(want not in (None, got) for want, got in zip(shape, actual, strict=True)):
            raise self.damaged(f"{name} has shape {actual}, not {shape}")
        start, end = place
        if not start <= end <= len(self._data) or end - start != prod(actual) * np.dtype(dtype).itemsize:
            raise self.damaged(f"{name} does not fit its place")
        return np.frombuffer(self._data[start:end], np.dtype(dtype)).reshape(actual)

    def damaged(self, why: str) -> VerificationError:
        """The error for bytes that are not what was written."""
        return VerificationError(f"{self.name}: {why}", "an undamaged file of arrays written by strive",
                                 "Run `strive cache verify --deep`, which names damaged entries, and make them again.")


def is_sizes(value: object) -> TypeGuard[list[int]]:
    """Whether this is a list of whole numbers from 0."""
    return isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value)

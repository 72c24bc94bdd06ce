"""Encoded images as one flat array of bytes plus offsets, the form in which frames and bundles store pixels.

    bytes    uint8 [B]       all encoded images, one after the other
    offsets  int64 [U + 1]   image u is bytes[offsets[u] : offsets[u + 1]]
    size     int32 [U, 2]    (H, W) of each image

(HDF5 refuses checksums on variable-length data, and without them it does not notice flipped bits.)
"""

from collections.abc import Sequence
from itertools import pairwise

import h5py
import numpy as np

from strive.stages.bundle.hdf5 import add, damaged, read


def write_pool(group: h5py.Group, encoded: Sequence[bytes], sizes: np.ndarray) -> None:
    """Store U encoded images and their sizes, int32 [U, 2] (H, W)."""
    offsets = np.zeros(len(encoded) + 1, np.int64)
    offsets[1:] = np.cumsum([len(data) for data in encoded], dtype=np.int64)
    add(group, "bytes", np.frombuffer(b"".join(encoded), np.uint8))
    add(group, "offsets", offsets)
    add(group, "size", np.asarray(sizes, np.int32).reshape(len(encoded), 2))


def view_pool(group: h5py.Group) -> tuple[list[memoryview], np.ndarray]:
    """The U encoded images, all views of one array, and their sizes, int32 [U, 2]; `VerificationError` when the offsets
    do not fit the bytes."""
    offsets = read(group, "offsets", "int64", (None,))
    sizes = read(group, "size", "int32", (max(len(offsets) - 1, 0), 2))
    data = read(group, "bytes", "uint8", (None,))
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(data) or np.any(np.diff(offsets) < 0):
        raise damaged("pool", "offsets do not fit the bytes")
    whole = data.data
    return [whole[a:b] for a, b in pairwise(offsets.tolist())], sizes


def read_pool(group: h5py.Group) -> tuple[list[bytes], np.ndarray]:
    """`view_pool` with each image as bytes of its own."""
    views, sizes = view_pool(group)
    return [bytes(view) for view in views], sizes

"""The only module that touches HDF5: builds files in memory, reads them with limits checked before allocation.

A file is built with the core driver, checksummed metadata (`libver` v110) and fletcher32 on every dataset, without
times: identical content gives identical bytes, a full disk cannot crash the library, a flipped bit is noticed.
Data is uncompressed, so a dataset can never be larger than its file; a larger one is refused unread. Links out of the
file, external storage and virtual datasets are refused.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from strive.configs.errors import UsageError, VerificationError

LIBVER = ("v110", "v110")
CHUNK_BYTES = 1 << 20
GROWTH_BYTES = 4 << 20
"""Memory that a file grows by while it is built: HDF5's own 64 KiB would copy a large one a hundred times."""
MAX_RANK = 4
MAX_TEXT_BYTES = 64 << 20
KINDS = "iufb"
BUILDS = itertools.count()


def build(fill: Callable[[h5py.File], None]) -> bytes:
    """The bytes of an HDF5 file that `fill` wrote into memory; byte-identical for identical content and order."""
    name = f"memory-{next(BUILDS)}"  # HDF5 takes two files of one name for the same file, even in memory
    with h5py.File(name, "w", driver="core", backing_store=False, block_size=GROWTH_BYTES, libver=LIBVER) as file:
        fill(file)
        file.flush()
        image: bytes = file.id.get_file_image()
        return image


def add_group(parent: h5py.Group, name: str) -> h5py.Group:
    """A group without times (h5py's own `create_group` stores the clock, which would change the bytes)."""
    plist = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    plist.set_obj_track_times(False)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(False)
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), lcpl=links, gcpl=plist))


def add(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """Store a numeric array (rank 1 to 4) chunked, with fletcher32 and without times; empty arrays are allowed."""
    if array.dtype.kind not in KINDS or not 1 <= array.ndim <= MAX_RANK:
        raise UsageError(f"{name}: {array.dtype} of rank {array.ndim}", "a numeric array of rank 1 to 4", "Convert it.")
    group.create_dataset(
        name, data=np.ascontiguousarray(array), chunks=chunk_shape(array.shape, array.itemsize),
        maxshape=tuple(max(n, 1) for n in array.shape), fletcher32=True, track_times=False,
    )


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole rows in equal chunks of at most `CHUNK_BYTES` (or one row): every chunk is stored at its full size, so an
    unequal last one would take room for nothing. At least 1 in every direction."""
    row = itemsize * int(np.prod([max(n, 1) for n in shape[1:]], dtype=np.int64))
    chunks = -(-shape[0] // max(1, CHUNK_BYTES // row))
    return (max(1, -(-shape[0] // max(1, chunks))), *(max(n, 1) for n in shape[1:]))


def set_text(group: h5py.Group, name: str, text: str) -> None:
    """Store a text attribute at fixed length: variable-length text would lie outside HDF5's checksums."""
    data = text.encode()
    group.attrs.create(name, np.bytes_(data), dtype=h5py.string_dtype("utf-8", max(len(data), 1)))


@contextmanager
def open_read(source: Path | bytes) -> Iterator[h5py.File]:
    """Open a file, or the bytes of one, for reading; anything HDF5 chokes on becomes a `VerificationError`."""
    name = str(source) if isinstance(source, Path) else "HDF5 bytes"
    try:
        with h5py.File(source if isinstance(source, Path) else h5py.h5f.open_file_image(source), "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise damaged(name, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def damaged(name: str, why: str) -> VerificationError:
    """The error for bytes that are not what was written."""
    return VerificationError(f"{name}: {why}", "an undamaged HDF5 file written by strive",
                             "Run `strive cache verify --deep`, which names damaged entries, and make them again.")


def read(group: h5py.Group, name: str, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """The dataset `name`, whose dtype and shape must match (`None`: any size), at most as large as its file.

    Raises `VerificationError` before anything is allocated when it does not match, and when checksums are wrong.
    """
    dataset = find(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise damaged(name, "a group, not a dataset")
    if dataset.external or dataset.is_virtual:
        raise damaged(name, "stored outside the file")
    actual = dataset.shape or ()
    fits = len(actual) == len(shape) and all(want in (None, got) for want, got in zip(shape, actual, strict=True))
    if dataset.dtype != np.dtype(dtype) or not fits:
        raise damaged(name, f"{dataset.dtype} {dataset.shape}, not {dtype} {shape}")
    if dataset.size * dataset.dtype.itemsize > file_bytes(group):
        raise damaged(name, f"claims {dataset.size} values, more than the file can hold")
    return np.asarray(dataset[()])


def group_at(group: h5py.Group, name: str) -> h5py.Group:
    """The group `name`, or `VerificationError`."""
    found = find(group, name)
    if not isinstance(found, h5py.Group):
        raise damaged(name, "a dataset, not a group")
    return found


def find(group: h5py.Group, name: str) -> Any:
    """The object at the path `name`, every step of which must be a hard link of this file."""
    here: Any = group
    for part in name.strip("/").split("/"):
        if not isinstance(here, h5py.Group) or not isinstance(here.get(part, getlink=True), h5py.HardLink):
            raise damaged(name, "not in the file")
        here = here[part]
    return here


def file_bytes(group: h5py.Group) -> int:
    """Size of the open file in bytes."""
    return int(group.file.id.get_filesize())


def text(group: h5py.Group, name: str) -> str:
    """A text attribute of at most 64 MiB."""
    if name not in group.attrs:
        raise damaged(f"attribute {name}", "not in the file")
    if group.attrs.get_id(name).get_storage_size() > MAX_TEXT_BYTES:
        raise damaged(f"attribute {name}", "longer than 64 MiB")
    value = group.attrs[name]
    if isinstance(value, bytes):
        return bytes(value).decode()
    if isinstance(value, str):
        return value
    raise damaged(f"attribute {name}", "not text")


def sorted_names(group: h5py.Group) -> list[str]:
    """Names in a group, numbers in numeric order."""
    return sorted(group.keys(), key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))

"""Reads a bundle (see `format.py`) with nothing but HDF5 and an image decoder; sizes are checked before allocation.

    bundle = Bundle.open(path)
    for k in range(bundle.n_variants):
        clips = bundle.variant(k).clips()   # list of [T, H, W, 3] uint8 RGB
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from strive.configs.errors import MissingError
from strive.stages.bundle import hdf5
from strive.stages.bundle.format import MAX_CLIP_BYTES, MAX_IMAGE_PIXELS, MAX_VARIANTS, check_format, from_text
from strive.stages.bundle.hdf5 import damaged
from strive.stages.bundle.images import decode
from strive.stages.bundle.pool import view_pool
from strive.stages.tasks.sample import Sample


class Pool:
    """The images of a bundle, read when the first of them is needed."""

    def __init__(self, source: Path | bytes) -> None:
        self._source = source

    @cached_property
    def _content(self) -> tuple[list[memoryview], np.ndarray]:
        with hdf5.open_read(self._source) as file:
            return view_pool(hdf5.group_at(file, "pool"))

    def clip(self, slots: np.ndarray) -> np.ndarray:
        """The images in these places, uint8 RGB [len(slots), H, W, 3]."""
        encoded, sizes = self._content
        if len(slots) and (slots.min() < 0 or slots.max() >= len(encoded)):
            raise damaged("variants", "an index outside the pool")
        wanted = sizes[slots]
        if not len(wanted) or (wanted != wanted[0]).any() or (wanted[0] < 1).any():
            raise damaged("variants", "a clip that is empty or mixes image sizes")
        height, width = (int(side) for side in wanted[0])
        if height * width > MAX_IMAGE_PIXELS or len(slots) * height * width * 3 > MAX_CLIP_BYTES:
            raise damaged("variants", f"a clip of {len(slots)} images of {height}×{width}, beyond what is read")
        clip = np.empty((len(slots), height, width, 3), np.uint8)
        for at, slot in enumerate(slots.tolist()):
            decode(encoded[slot], (height, width), clip[at])
        return clip


@dataclass(frozen=True)
class Variant:
    """One view of the video; `operators` are the applied ones, `vetoes` the refused ones with their `reason`."""

    times: np.ndarray  # [T] float64, seconds
    index: np.ndarray  # [T] int32, into the bundle's pool
    clip_bounds: np.ndarray  # [C + 1] int32, from 0 to T
    operators: list[dict[str, Any]]
    sampler: str
    seed: int
    crop: tuple[int, int, int, int] | None  # x0, y0, x1, y1 in pixels of the video
    vetoes: list[dict[str, Any]]
    contrast: bool  # rolled out for comparison, never trained on
    pool: Pool = field(repr=False, compare=False)

    def clips(self) -> list[np.ndarray]:
        """The pixels, decoded: per clip one array [T, H, W, 3] uint8 RGB."""
        bounds = self.clip_bounds.tolist()
        return [self.pool.clip(self.index[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


@dataclass(frozen=True)
class Bundle:
    """All variants of one sample; `importance` and `raw` are float32 [N] at `score_times` float64 [N], seconds."""

    sample: Sample
    key: str
    importance: np.ndarray
    raw: np.ndarray
    score_times: np.ndarray
    scorer: Mapping[str, Any]
    text_policy: Mapping[str, Any]
    variants: tuple[Variant, ...] = field(repr=False)

    @property
    def n_variants(self) -> int:
        return len(self.variants)

    @property
    def n_trained(self) -> int:
        """Variants that are trained on: the first ones; contrast views follow."""
        return sum(not variant.contrast for variant in self.variants)

    def variant(self, k: int) -> Variant:
        """Variant k, 0-based; IndexError beyond `n_variants`."""
        return self.variants[k]

    @staticmethod
    def open(source: Path | bytes) -> "Bundle":
        """Read everything but the pixels of a bundle file, or of the bytes of one.

        Raises `VerificationError` for bytes that are not a whole bundle, `MissingError` when there is no file.
        """
        try:
            with hdf5.open_read(source) as file:
                return read_bundle(file, Pool(source))
        except FileNotFoundError as error:
            raise MissingError(f"{source!s}: no such bundle", "a bundle file", "Run `strive variants`.") from error


def read_bundle(file: h5py.File, pool: Pool) -> Bundle:
    """The bundle in an open file."""
    check_format(hdf5.text(file, "format"))
    row = from_text("sample", hdf5.text(file, "sample"), dict)
    score, variants = hdf5.group_at(file, "score"), hdf5.group_at(file, "variants")
    if len(variants) > MAX_VARIANTS or set(variants) != {str(k) for k in range(len(variants))}:
        raise damaged("variants", "not numbered from 0")
    made = tuple(read_variant(hdf5.group_at(variants, str(k)), pool) for k in range(len(variants)))
    if any(before.contrast and not after.contrast for before, after in pairwise(made)):
        raise damaged("variants", "a contrast view before one that is trained on")
    times = hdf5.read(score, "times", "float64", (None,))
    return Bundle(
        Sample.from_json(row), hdf5.text(file, "key"), hdf5.read(score, "importance", "float32", times.shape),
        hdf5.read(score, "raw", "float32", times.shape), times, from_text("scorer", hdf5.text(score, "scorer"), dict),
        from_text("text", hdf5.text(score, "text"), dict),
        made,
    )


def read_variant(group: h5py.Group, pool: Pool) -> Variant:
    """One variant without its pixels."""
    index = hdf5.read(group, "index", "int32", (None,))
    bounds = hdf5.read(group, "clips", "int32", (None,))
    if len(bounds) < 2 or bounds[0] != 0 or bounds[-1] != len(index) or (np.diff(bounds) < 1).any():
        raise damaged(group.name, "clip boundaries do not fit its frames")
    entries = from_text("operators", hdf5.text(group, "operators"), list)
    crop = group.attrs.get("crop")
    return Variant(
        hdf5.read(group, "times", "float64", index.shape), index, bounds,
        [entry for entry in entries if "vetoed" not in entry], hdf5.text(group, "sampler"), int(group.attrs["seed"]),
        None if crop is None else tuple(int(edge) for edge in np.asarray(crop).reshape(4)),  # type: ignore[arg-type]
        [{**entry, "reason": entry["vetoed"]} for entry in entries if "vetoed" in entry],
        "contrast" in group.attrs, pool,
    )

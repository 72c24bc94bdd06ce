"""The prompt of a view whose features are kept: made from the sizes and times in the bundle, no pixel is decoded."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from strive.stages.bundle import hdf5
from strive.stages.bundle.reader import Variant
from strive.stages.vlm.interface import ViewInputs

if TYPE_CHECKING:
    from strive.stages.vlm.clips import ShownClip
    from strive.stages.vlm.family import FamilyAdapter


def pool_sizes(path: Path) -> np.ndarray:
    """int32 [U, 2]: height and width of each image in a bundle file's pool."""
    with hdf5.open_read(path) as file:
        return hdf5.read(hdf5.group_at(file, "pool"), "size", "int32", (None, 2))


def layouts(adapter: "FamilyAdapter", variant: Variant, sizes: np.ndarray) -> list["ShownClip"]:
    """How the adapter shows each clip of a variant; `sizes` int32 [U, 2] of the pool."""
    bounds, found = variant.clip_bounds.tolist(), []
    for start, end in zip(bounds[:-1], bounds[1:], strict=True):
        height, width = (int(side) for side in sizes[variant.index[start]])
        found.append(adapter.layout(height, width, variant.times[start:end]))
    return found


def unseen_view(adapter: "FamilyAdapter", variant: Variant, sizes: np.ndarray, text: str) -> ViewInputs:
    """What `adapter.encode_view` makes of the variant's clips and `text`, but for `pixel_values`, which are None."""
    return adapter.encode_unseen(layouts(adapter, variant, sizes), text)

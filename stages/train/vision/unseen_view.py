"""A view known from its sizes and times alone: its visual tokens, and its prompt where the features are kept."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from strive.stages.bundle import hdf5
from strive.stages.bundle.reader import Variant

if TYPE_CHECKING:
    from strive.stages.vlm.clips import ShownClip
    from strive.stages.vlm.family import FamilyAdapter
    from strive.stages.vlm.interface import ViewInputs


def pool_sizes(path: Path) -> np.ndarray:
    """int32 [U, 2]: height and width of each image in a bundle file's pool; no pixel is decoded."""
    with hdf5.open_read(path) as file:
        return hdf5.read(hdf5.group_at(file, "pool"), "size", "int32", (None, 2))


def layouts(adapter: "FamilyAdapter", variant: Variant, sizes: np.ndarray) -> "list[ShownClip]":
    """How the adapter shows each clip of a variant; `sizes` as `pool_sizes` gives them."""
    bounds, shown = variant.clip_bounds.tolist(), []
    for start, end in zip(bounds[:-1], bounds[1:], strict=True):
        height, width = sizes[variant.index[start]].tolist()
        shown.append(adapter.layout(height, width, variant.times[start:end]))
    return shown


def visual_tokens(adapter: "FamilyAdapter", variant: Variant, sizes: np.ndarray) -> int:
    """Placeholders that a variant has in a prompt: so many rows its features have."""
    placeholder = adapter.token_of[adapter.kind]
    return sum(shown.count(placeholder) for clip in layouts(adapter, variant, sizes) for shown in adapter.visuals(clip))


def unseen_view(adapter: "FamilyAdapter", variant: Variant, sizes: np.ndarray, text: str) -> "ViewInputs":
    """What `adapter.encode_view` makes of the variant's clips and `text`, but for `pixel_values`, which are None."""
    return adapter.encode_unseen(layouts(adapter, variant, sizes), text)

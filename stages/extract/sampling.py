"""Which frames are taken: the ones on screen at i / fps from 0, plus the last; never a frame that is not there."""

import numpy as np

TOLERANCE = 1e-6
RAISE = 1.02


def choose(times: np.ndarray, fps: float, min_frames: int, max_frames: int) -> np.ndarray:
    """Indices, int64 [K] rising, into presentation times float64 [N] (seconds, strictly rising).

    The targets are i / fps; a target's frame is the one on screen, the last whose time is ≤ the target. Fewer than
    `min_frames` frames: fps is raised until that many are hit, or every frame. More than `max_frames`: as many targets
    spread over the whole duration. `max_frames` wins over `min_frames`.
    """
    if len(times) <= min(min_frames, max_frames):
        return np.arange(len(times), dtype=np.int64)
    if max_frames == 1:
        return np.asarray([int(np.searchsorted(times, (times[0] + times[-1]) / 2 + TOLERANCE, "right")) - 1], np.int64)
    chosen = on_screen(times, fps)
    if len(chosen) < (fewest := min(min_frames, len(times))):
        chosen = raised(times, fps, fewest)
    if len(chosen) > max_frames:
        chosen = on_screen(times, (max_frames - 1) / times[-1])
    return chosen


def on_screen(times: np.ndarray, fps: float) -> np.ndarray:
    """Frames hit by a target i / fps, plus the last frame.

    Frame j is on screen in [t_j, t_{j+1}); it is hit when a whole number lies in [t_j · fps, t_{j+1} · fps). The first
    frame also stands for the time before it, as players show it.
    """
    scaled = times * fps - TOLERANCE
    scaled[0] = -TOLERANCE
    hit = np.empty(len(times), bool)
    hit[:-1] = np.ceil(scaled[:-1]) < scaled[1:]
    hit[-1] = True
    return np.flatnonzero(hit).astype(np.int64)


def raised(times: np.ndarray, fps: float, min_frames: int) -> np.ndarray:
    """The frames at the lowest tried fps that hits at least `min_frames` of at least `min_frames` frames."""
    fps = max(fps, (min_frames - 1) / times[-1])
    chosen = on_screen(times, fps)
    while len(chosen) < min_frames:
        fps *= RAISE
        chosen = on_screen(times, fps)
    return chosen

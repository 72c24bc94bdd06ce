"""What the policy is shown for a question: frames of its video, or a control in their place."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strive.cache.digest import digest_json
from strive.configs.errors import ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.choosing import FrameChoice, ScoresOf, frame_choice
from strive.stages.frames.frameset import FrameSet
from strive.stages.tasks.sample import Sample
from strive.stages.views.randomness import generator, stable_seed

MID_GREY = 127
PARTS = ("cut_frame", "clip")
"""Fields of `meta` that say which part of a video a question is about."""
LAST = "last_frame"
"""Field of `meta` that says that the last frame must be among those shown: it holds what the question is about."""
EDGE_S = 0.001
FramesOf = Callable[[Sample], FrameSet]
Place = tuple[str, str]
"""What tells apart what is shown: the video, and the sample's id where frames are chosen for each question."""


@dataclass(frozen=True)
class Shown:
    """`clips`: one clip uint8 [T, H, W, 3] RGB, or none for a text-only prompt.

    times: float64 [T], seconds that the model is told, rising. source: where the frames stand in the video, in the
    order shown, when that is another order (None: `times`).
    """

    clips: list[np.ndarray]
    times: np.ndarray
    video: str | None
    source: np.ndarray | None = None

    @property
    def seconds(self) -> list[float]:
        """Where the frames stand in the video, in the order shown."""
        return [float(t) for t in (self.times if self.source is None else self.source)]


class Screen:
    """Chooses and decodes the frames of one sample after the other; questions about one video read it once.

    `partners` maps a video to the one shown instead under the control "swapped". `choice`: uniform frames without one.
    """

    def __init__(self, samples: Sequence[Sample], frames_of: FramesOf, config: EvalConfig,
                 choice: FrameChoice | None = None, scores_of: ScoresOf | None = None) -> None:
        self.choice = choice or frame_choice(config)
        self.frames_of, self.config, self.scores_of = frames_of, config, scores_of
        self.first = {sample.video: sample for sample in reversed(samples)}
        self.partners = derangement(list(self.first)) if config.control == "swapped" else {}
        self.last: tuple[str, FrameSet] | None = None

    def place(self, sample: Sample) -> Place:
        """Samples of one place are shown the same."""
        asked = [sample.meta.get(name) for name in (*PARTS, LAST)]
        part = json.dumps(asked) if any(asked) else ""
        return self.partners.get(sample.video, sample.video), sample.id if self.choice.by_question else part

    def show(self, sample: Sample) -> Shown:
        """What is shown for this sample. Raises `ItemError` with the reason when its frames can't be had."""
        if self.config.control == "text_only":
            return Shown([], np.zeros(0), None)
        video, _ = self.place(sample)
        if self.last is None or self.last[0] != video:
            self.last = (video, self.frames_of(self.first[video]))
        return self.decode(sample, *self.last)

    def decode(self, sample: Sample, video: str, frames: FrameSet) -> Shown:
        """The frames chosen for a sample; all of one size, as one clip."""
        if len(frames) == 0:
            raise ItemError("no frames in the extracted video")
        pool = asked_part(sample, frames)
        indices = self.choice.indices(sample.blind(), len(frames), self.scores_of, pool)
        if sample.meta.get(LAST):
            indices = with_last(indices, len(frames) - 1 if pool is None else int(pool[-1]))
        times = np.asarray(frames.times, np.float64)[indices]
        order = self.order(video, len(indices))
        images = frames.images(indices if order is None else indices[order])
        if len({image.shape for image in images}) > 1:
            raise ItemError("the video's frames differ in size")
        clip = np.stack(images)
        if self.config.control == "blank":
            clip = np.full_like(clip, MID_GREY)
        return Shown([clip], times, video, None if order is None else times[order])

    def order(self, video: str, count: int) -> np.ndarray | None:
        """The control `eval.shuffle_frames`: a video's order, int64 [T], the same for all its questions."""
        if not self.config.shuffle_frames:
            return None
        return generator(stable_seed(self.config.seed, "shuffle", video)).permutation(count)


def with_last(indices: np.ndarray, last: int) -> np.ndarray:
    """The same number of places, rising, the last of them `last`."""
    return indices if indices[-1] == last else np.append(indices[:-1], last)


def asked_part(sample: Sample, frames: FrameSet) -> np.ndarray | None:
    """Places, int64, of the frames that a benchmark lets be seen: before `meta.cut_frame` (source frame number), within
    `meta.clip` ([start, end] in seconds); None for all. `ItemError` when there are none."""
    cut: Any = sample.meta.get("cut_frame")
    clip: Any = sample.meta.get("clip")
    if cut is None and clip is None:
        return None
    times = np.asarray(frames.times, np.float64)
    seen = np.ones(len(frames), bool)
    if cut is not None:
        seen &= np.asarray(frames.source_index) < int(cut)
    if clip is not None:
        seen &= (times >= float(clip[0]) - EDGE_S) & (times <= float(clip[1]) + EDGE_S)
    if not seen.any():
        asked = f"before frame {cut}" if cut is not None else f"between {clip[0]} s and {clip[1]} s"
        raise ItemError(f"no extracted frame {asked}", "the part that the question is about",
                        "Raise extract.fps or extract.min_frames.")
    return np.flatnonzero(seen)


def derangement(videos: Sequence[str]) -> Mapping[str, str]:
    """Each video's partner, never itself: the next one in an order that depends on the names only."""
    if len(set(videos)) < 2:
        raise UsageError(
            "the control 'swapped' on one video", "at least two videos", "Use the control 'blank' instead."
        )
    order = sorted(set(videos), key=lambda name: digest_json(name))
    return {name: order[(k + 1) % len(order)] for k, name in enumerate(order)}

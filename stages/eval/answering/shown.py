"""What the policy is shown for a question: frames of its video, or a control in their place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strive.cache.digest import digest_json
from strive.configs.errors import ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.choosing import FrameChoice, ScoresOf, frame_choice
from strive.stages.frames.frameset import FrameSet
from strive.stages.tasks.sample import Sample

MID_GREY = 127
FramesOf = Callable[[Sample], FrameSet]
Place = tuple[str, str]
"""What tells apart what is shown: the video, and the sample's id where frames are chosen for each question."""


@dataclass(frozen=True)
class Shown:
    """`clips`: one clip uint8 [T, H, W, 3] RGB, or none for a text-only prompt; `times` float64 [T] in seconds."""

    clips: list[np.ndarray]
    times: np.ndarray
    video: str | None


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
        return self.partners.get(sample.video, sample.video), sample.id if self.choice.by_question else ""

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
        indices = self.choice.indices(sample.blind(), len(frames), self.scores_of)
        images = frames.images(indices)
        if len({image.shape for image in images}) > 1:
            raise ItemError("the video's frames differ in size")
        clip = np.stack(images)
        if self.config.control == "blank":
            clip = np.full_like(clip, MID_GREY)
        return Shown([clip], np.asarray(frames.times, np.float64)[indices], video)


def derangement(videos: Sequence[str]) -> Mapping[str, str]:
    """Each video's partner, never itself: the next one in an order that depends on the names only."""
    if len(set(videos)) < 2:
        raise UsageError(
            "the control 'swapped' on one video", "at least two videos", "Use the control 'blank' instead."
        )
    order = sorted(set(videos), key=lambda name: digest_json(name))
    return {name: order[(k + 1) % len(order)] for k, name in enumerate(order)}

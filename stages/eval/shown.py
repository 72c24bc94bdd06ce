"""What the policy is shown for a question: frames of its video, or a control in their place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strive.cache.digest import digest_json
from strive.configs.errors import ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.frames.frameset import FrameSet
from strive.stages.tasks.sample import Sample
from strive.stages.views.samplers import uniform_indices

MID_GREY = 127
FramesOf = Callable[[Sample], FrameSet]
SAMPLERS = {"uniform": uniform_indices}  # name → (frames there are, frames wanted) → indices


@dataclass(frozen=True)
class Shown:
    """`clips`: one clip uint8 [T, H, W, 3] RGB, or none for a text-only prompt; `times` float64 [T] in seconds."""

    clips: list[np.ndarray]
    times: np.ndarray
    video: str | None


class Screen:
    """Chooses and decodes the frames of one sample after the other; questions about one video share them.

    `partners` maps a video to the one shown instead under the control "swapped".
    """

    def __init__(self, samples: Sequence[Sample], frames_of: FramesOf, config: EvalConfig) -> None:
        known_sampler(config.sampler)
        self.frames_of, self.config = frames_of, config
        self.first = {sample.video: sample for sample in reversed(samples)}
        self.partners = derangement(list(self.first)) if config.control == "swapped" else {}
        self.last: Shown | None = None

    def show(self, sample: Sample) -> Shown:
        """What is shown for this sample. Raises `ItemError` with the reason when its frames can't be had."""
        if self.config.control == "text_only":
            return Shown([], np.zeros(0), None)
        video = self.partners.get(sample.video, sample.video)
        if self.last is None or self.last.video != video:
            self.last = self.decode(self.first[video])
        return self.last

    def decode(self, sample: Sample) -> Shown:
        """The chosen frames of a sample's video; all of one size, as one clip."""
        frames = self.frames_of(sample)
        if len(frames) == 0:
            raise ItemError("no frames in the extracted video")
        indices = SAMPLERS[self.config.sampler](len(frames), self.config.frames)
        images = frames.images(indices)
        if len({image.shape for image in images}) > 1:
            raise ItemError("the video's frames differ in size")
        clip = np.stack(images)
        if self.config.control == "blank":
            clip = np.full_like(clip, MID_GREY)
        return Shown([clip], np.asarray(frames.times, np.float64)[indices], sample.video)


def known_sampler(name: str) -> None:
    """`UsageError` for a sampler that is not there."""
    if name not in SAMPLERS:
        raise UsageError(f"eval.sampler {name!r}", f"one of {', '.join(SAMPLERS)}", "Set eval.sampler to one of these.")


def derangement(videos: Sequence[str]) -> Mapping[str, str]:
    """Each video's partner, never itself: the next one in an order that depends on the names only."""
    if len(set(videos)) < 2:
        raise UsageError(
            "the control 'swapped' on one video", "at least two videos", "Use the control 'blank' instead."
        )
    order = sorted(set(videos), key=lambda name: digest_json(name))
    return {name: order[(k + 1) % len(order)] for k, name in enumerate(order)}

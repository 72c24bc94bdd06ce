"""What an operator is: a named change of a view that says for which questions it could change the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.stages.frames.scores import Scores
from strive.stages.tasks.sample import Question
from strive.stages.views.view import View


class Inapplicable(Exception):
    """The operator has nothing to work with here; the view stays as it was and the reason is recorded."""


@dataclass(frozen=True)
class Scene:
    """What an operator may look at. There is no answer in it."""

    question: Question
    scores: Scores
    frame_sizes: np.ndarray  # [N, 2] int32 (H, W) of the stored frames
    config: VariantsConfig
    variant: int  # number of the variant, 0-based

    @property
    def n(self) -> int:
        """Number of frames in the pool."""
        return len(self.frame_sizes)


Apply = Callable[[View, Scene], View]
Render = Callable[[np.ndarray, Mapping[str, Any], int], np.ndarray]


@dataclass(frozen=True)
class Operator:
    """A temporal operator chooses the frames (`apply` sets `indices`); a spatial one comes after it.

    `unsafe_topics` are the topics of `guard.py` whose answers it could change. An operator that changes pixels has
    `render(image uint8 [H, W, 3], its own entry in View.operators, pool index) -> uint8 [h, w, 3]`; an entry with
    `"frames": [start, stop]` touches only those positions of the view. `contrast_only`: made to change what the video
    says, for `variants.contrast`.
    """

    name: str
    temporal: bool
    apply: Apply
    unsafe_topics: frozenset[str] = frozenset()
    render: Render | None = None
    contrast_only: bool = False

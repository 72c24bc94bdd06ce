"""A step's rollouts as rows: each names its question, its variant and its generation, and keeps the view it saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from strive.configs.errors import UsageError
from strive.stages.tasks.sample import Sample
from strive.stages.train.questions.order import derive_seed

if TYPE_CHECKING:
    import numpy as np

    from strive.stages.vlm.interface import Completion, ViewInputs, VisionFeatures


@dataclass(frozen=True, eq=False)
class Shown:
    """A variant as the policy reads it.

    inputs: the prompt; without pixels where `features` hold all that a frozen vision tower makes of them. times:
    float64 [T], the frames' presentation times in seconds.
    """

    inputs: "ViewInputs"
    features: "VisionFeatures | None"
    times: "np.ndarray"

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Example:
    """A question with what is shown of its video; view k shows variant k."""

    sample: Sample
    views: tuple[Shown, ...]


@dataclass(frozen=True)
class Row:
    """One rollout. `view` is what the completion was sampled from: log-probs use it and no other.

    place: the number of its group in the step; a small dataset may give a question twice.
    """

    example: Example
    variant_id: int
    gen_id: int
    completion: "Completion"
    place: int = 0

    @property
    def group(self) -> tuple[int, str]:
        """What tells its group from others."""
        return self.place, self.sample_id

    @property
    def sample_id(self) -> str:
        """The question's id."""
        return self.example.sample.id

    @property
    def view(self) -> Shown:
        """The row's own view."""
        return self.example.views[self.variant_id]


class Generates(Protocol):
    """The part of an engine that rolls out."""

    def rollout(self, views: Sequence[Shown], n: int, seeds: Sequence[int]) -> list[list["Completion"]]:
        """n completions for each view, in the order of the views; one seed a view."""


def per_variant(rollouts: int, variants: int, who: str) -> int:
    """Generations per variant; `UsageError` when the question's rollouts cannot be split evenly over its variants."""
    if rollouts % variants:
        raise UsageError(f"train.rollouts = {rollouts} over the {variants} variants of {who}",
                         "a multiple of the variants",
                         f"Set train.rollouts={variants * max(1, rollouts // variants)} or change variants.count.")
    return rollouts // variants


def collect(engine: Generates, examples: Sequence[Example], rollouts: int, seed: int) -> list[Row]:
    """`rollouts` rows for each example, ordered by example, variant and generation.

    Questions with equally many generations per variant are rolled out together. What a view draws depends on `seed`,
    its question's id and its number, never on what else is in the batch.
    """
    wanted = [per_variant(rollouts, len(e.views), f"sample {e.sample.id}") for e in examples]
    replies: dict[tuple[int, int], list[Completion]] = {}
    for n in sorted(set(wanted)):
        places = [(i, k) for i, e in enumerate(examples) if wanted[i] == n for k in range(len(e.views))]
        seeds = [derive_seed(seed, examples[i].sample.id, k) for i, k in places]
        made = engine.rollout([examples[i].views[k] for i, k in places], n, seeds)
        replies.update(zip(places, made, strict=True))
    return [Row(examples[i], k, g, completion)
            for i, k in sorted(replies) for g, completion in enumerate(replies[i, k])]

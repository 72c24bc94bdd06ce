"""A step's rollouts as rows: each names its question, its variant and its generation, and keeps the view it saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch

from strive.stages.tasks.sample import Sample
from strive.stages.train.engine.split import per_variant
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
    """A question with what is shown of its video; view k shows variant k, `contrast` what is never trained on."""

    sample: Sample
    views: tuple[Shown, ...]
    contrast: tuple[Shown, ...] = ()


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


def collect(engine: Generates, examples: Sequence[Example], rollouts: int, seed: int,
            shares: Sequence[Sequence[int]] | None = None) -> list[Row]:
    """`rollouts` rows for each example, ordered by example, variant and generation.

    shares: how many generations each variant of each example gets; None: evenly. Views with equally many are rolled out
    together. What a view draws depends on `seed`, its question's id and its number, never on what else is in the batch.
    """
    if shares is None:
        shares = [[per_variant(rollouts, len(e.views), f"sample {e.sample.id}")] * len(e.views) for e in examples]
    return roll_out(engine, examples, shares, (seed,))


@torch.no_grad()
def collect_contrast(engine: Generates, examples: Sequence[Example], rollouts: int, seed: int) -> list[Row]:
    """`rollouts` rows on the contrast views of each example that has any; what they leave is not kept for an update.

    A row's `variant_id` is the number of its contrast view.
    """
    having = [replace(example, views=example.contrast) for example in examples if example.contrast]
    shares = [[per_variant(rollouts, len(e.views), f"sample {e.sample.id}, contrast")] * len(e.views) for e in having]
    return roll_out(engine, having, shares, (derive_seed(seed, "contrast"),))


def roll_out(engine: Generates, examples: Sequence[Example], shares: Sequence[Sequence[int]],
             seed: tuple[object, ...]) -> list[Row]:
    """Rows of `shares[i][k]` completions of `examples[i].views[k]`; no share, no row. What a view draws comes from
    `seed`, its question's id and its number."""
    replies: dict[tuple[int, int], list[Completion]] = {}
    for n in sorted({count for share in shares for count in share if count}):
        places = [(i, k) for i, share in enumerate(shares) for k, count in enumerate(share) if count == n]
        seeds = [derive_seed(*seed, examples[i].sample.id, k) for i, k in places]
        made = engine.rollout([examples[i].views[k] for i, k in places], n, seeds)
        replies.update(zip(places, made, strict=True))
    return [Row(examples[i], k, g, completion)
            for i, k in sorted(replies) for g, completion in enumerate(replies[i, k])]

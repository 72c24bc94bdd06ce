"""What goes through the policy together: views whose prompts are read in one prefill, rows that follow them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strive.stages.train.engine.rollout import Row, Shown

if TYPE_CHECKING:
    from torch import Tensor

    from strive.stages.vlm.prefix import Prefix

LEAST_TOKENS = 256
"""Completion tokens of a micro-batch below which a processor is not kept busy."""
PROMPT_PARTS = 4
"""A micro-batch of completions holds a quarter of its prompts' tokens."""


@dataclass
class MicroBatch:
    """Rows that go through one forward and backward; `old` and `ref` [R, C] are kept for later inner epochs."""

    rows: list[Row]
    advantages: "Tensor"
    group_tokens: "Tensor"
    old: "Tensor | None" = None
    ref: "Tensor | None" = None


@dataclass
class Chunk:
    """Views read in one prefill, and their rows; `prefix` where the rollout has left it, with its graph."""

    views: list[Shown]
    places: list[int]
    prefix: "Prefix | None" = None
    batches: list[MicroBatch] = field(default_factory=list)


def groups_within(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Consecutive places that are padded to their longest and fit `budget` together; one that is too large goes alone.
    """
    groups: list[list[int]] = []
    longest = 0
    for place, size in enumerate(sizes):
        longest = max(longest, size)
        if not groups or (len(groups[-1]) + 1) * longest > budget:
            groups.append([])
            longest = size
        groups[-1].append(place)
    return groups


def chunks_of(rows: Sequence[Row], places: Sequence[int], kept: Sequence[tuple[Sequence[Shown], "Prefix"]],
              budget: int) -> list[Chunk]:
    """The chunks of the rows at `places`, those with a kept prefix first; every view once, in order of appearance.

    A kept prefix goes backward for all its views. Where that costs more than to read the few that are needed again
    (2 x all > 3 x needed, in tokens), it is left aside.
    """
    by_view: dict[Shown, list[int]] = {}
    for place in places:
        by_view.setdefault(rows[place].view, []).append(place)
    chunks = []
    for views, prefix in kept:
        needed = sum(len(view) for view in views if view in by_view)
        if needed and 2 * sum(map(len, views)) <= 3 * needed:
            chunks.append(Chunk(list(views), [p for view in views for p in by_view.pop(view, [])], prefix))
    rest = list(by_view)
    for group in groups_within([len(view) for view in rest], budget):
        own = [rest[i] for i in group]
        chunks.append(Chunk(own, [place for view in own for place in by_view[view]]))
    return chunks


def micro_batches(chunk: Chunk, rows: Sequence[Row], budget: int) -> list[list[int]]:
    """The chunk's rows in runs: a quarter of the prompts' tokens at a time, whatever the number of rows.

    So activations never exceed those of the prefill by more than a quarter. The rows of a view are laid end to end and
    views padded to the longest, which is what is counted.
    """
    prompts = sum(map(len, chunk.views))
    limit = min(max(LEAST_TOKENS, prompts // PROMPT_PARTS), max(budget - prompts, LEAST_TOKENS))
    groups: list[list[int]] = []
    used: dict[Shown, int] = {}
    for place in chunk.places:
        view, tokens = rows[place].view, len(rows[place].completion.ids)
        used = {**used, view: used.get(view, 0) + tokens}
        if not groups or len(used) * max(used.values()) > limit:
            groups.append([])
            used = {view: tokens}
        groups[-1].append(place)
    return groups

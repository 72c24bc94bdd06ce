"""What a run says of its sources: what they are, how they are drawn from, and whether each can fill its turns."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from strive.cache.digest import digest_json
from strive.configs.errors import MissingError
from strive.stages.train.questions.order import Source
from strive.stages.train.questions.turns import Turns


def describe_sources(sources: Sequence[Source]) -> dict[str, Any]:
    """What a resume must agree with, for the run's record: {} for one source, whose questions the data digest holds."""
    if len(sources) < 2:
        return {}
    return {"sources": [{"name": one.name, "weight": one.weight, "questions": len(one.ids),
                         "ids": digest_json(sorted(one.ids))} for one in by_name(sources)]}


def narrowed(sources: Sequence[Source], ids: Collection[str]) -> list[Source]:
    """The sources with those of their questions that are among `ids`; one may end up with none."""
    kept = set(ids)
    return [replace(one, ids=[name for name in one.ids if name in kept]) for one in sources]


def check_shares(sources: Sequence[Source], batch: int) -> None:
    """`MissingError` when a source has fewer questions than its turns in one batch of that many: it would repeat one.

    A single source that does not fill a batch is refused as too few bundles.
    """
    if len(sources) < 2:
        return
    ordered = by_name(sources)
    turns = Turns([one.weight for one in ordered])
    for place, one in enumerate(ordered):
        needed = turns.most(place, batch)
        if len(one.ids) < needed:
            raise MissingError(
                f"{one.name}: {len(one.ids)} usable questions, but its weight {one.weight:g} asks for up to {needed} "
                f"in a step of {batch}", "at least as many questions as a step draws from the file",
                f"Lower its weight (--data {one.name}=WEIGHT) or train.prompts_per_step, or add questions.")


def plan_lines(sources: Sequence[Source]) -> list[str]:
    """The shares in the words of the plan; nothing for one source."""
    if len(sources) < 2:
        return []
    turns = Turns([one.weight for one in by_name(sources)])
    shares = [f"{float(turns.share(place)):.1%} from {one.name} ({len(one.ids)} questions)"
              for place, one in enumerate(by_name(sources))]
    return [f"data      questions drawn: {', '.join(shares)}"]


def by_name(sources: Sequence[Source]) -> list[Source]:
    """The order in which sources are kept: that of their names, whatever order they were given in."""
    return sorted(sources, key=lambda one: one.name)

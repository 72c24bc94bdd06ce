"""What is known of a rollout once it is scored, as plain values: advantages and metrics read it, from any process."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.engine.rollout import Example, Row
from strive.stages.train.reward.rewards import Scored

if TYPE_CHECKING:
    from strive.stages.vlm.interface import Completion


@dataclass(frozen=True)
class Record:
    """One rollout: whose it is, what it was worth, how long it is.

    reward: NaN without a finite one. earned: the same before a KL was charged. kl: what was charged, before
    `train.kl_beta`. cut_mass: mean over its tokens of the mass that could not be drawn.
    """

    place: int
    sample_id: str
    variant_id: int
    reward: float
    earned: float
    kl: float
    parts: dict[str, float]
    bad: list[str]
    accuracy: float
    well_formed: bool
    tokens: int
    entropy: float
    cut_mass: float
    finished: bool


@dataclass(frozen=True)
class Prompted:
    """A question's prompts: tokens of all the views that were rolled out, and how many of them are visual.

    contrast: the accuracy of each rollout on a contrast view.
    """

    place: int
    sample_id: str
    tokens: int
    visual_tokens: int
    contrast: list[float] = field(default_factory=list)


@dataclass
class Collected:
    """All processes' rollouts of a step, in the order of the questions, and which of them are this process's."""

    records: list[Record] = field(default_factory=list)
    prompts: list[Prompted] = field(default_factory=list)
    own: list[int] = field(default_factory=list)

    def groups(self) -> dict[int, list[int]]:
        """Record numbers of each question, by its place."""
        found: dict[int, list[int]] = {}
        for number, record in enumerate(self.records):
            found.setdefault(record.place, []).append(number)
        return found


def record_of(row: Row, scored: Scored, kl: float = 0.0, beta: float = 0.0) -> Record:
    """beta x kl is taken off the reward."""
    done = row.completion
    return Record(row.place, row.sample_id, row.variant_id, scored.total - beta * kl, scored.total, kl, scored.parts,
                  list(scored.bad), scored.accuracy, scored.well_formed, len(done.ids), done.entropy, cut_mass(done),
                  done.finished)


def cut_mass(done: "Completion") -> float:
    """Mean over a completion's tokens of the mass that suppression, top-k and top-p took away."""
    return float((1 - done.log_kept.exp()).mean()) if done.log_kept is not None and len(done.ids) else 0.0


def prompted(place: int, example: Example, rows: Sequence[Row], contrast: Sequence[Row],
             contrast_scored: Sequence[Scored]) -> Prompted:
    """Of a question that is rolled out; `rows` and `contrast` may hold those of others."""
    own = [(row, scored) for row, scored in zip(contrast, contrast_scored, strict=True)
           if row.sample_id == example.sample.id]
    seen = {id(row.view): row.view for row in (*rows, *(row for row, _ in own)) if row.sample_id == example.sample.id}
    views = list(seen.values())
    return Prompted(place, example.sample.id, sum(map(len, views)), sum(view.inputs.visual_tokens for view in views),
                    [scored.accuracy for _, scored in own])


def gathered(records: Sequence[Record], prompts: Sequence[Prompted], ranks: Ranks) -> Collected:
    """Put together what all processes have."""
    parts: list[dict[str, Any]] = ranks.gather(
        {"records": [asdict(one) for one in records], "prompts": [asdict(one) for one in prompts]})
    merged = [(rank, Record(**one)) for rank, part in enumerate(parts) for one in part["records"]]
    merged.sort(key=lambda pair: pair[1].place)
    shown = sorted((Prompted(**one) for part in parts for one in part["prompts"]), key=lambda one: one.place)
    return Collected([record for _, record in merged], shown,
                     [number for number, (rank, _) in enumerate(merged) if rank == ranks.rank])

"""What a batch's rollouts are worth: the rewards of single replies, then those that look at a whole group."""

from collections.abc import Sequence

from strive.stages.tasks.prompt import PromptFormat
from strive.stages.train.engine.rollout import Row
from strive.stages.train.reward.group_rewards import Group, GroupRewards, Member
from strive.stages.train.reward.rewards import RewardSet, Scored


def score_rows(rows: Sequence[Row], prompt: PromptFormat, rewards: RewardSet) -> list[Scored]:
    """Each row's own reward."""
    replies = [prompt.parse(row.completion.text, truncated=not row.completion.finished) for row in rows]
    return rewards.score_batch([row.example.sample for row in rows], replies)


def add_group_rewards(rows: Sequence[Row], scored: Sequence[Scored], contrast: Sequence[Row],
                      contrast_scored: Sequence[Scored], rewards: GroupRewards) -> list[Scored]:
    """`scored` with what the groups' rewards add; a group is all rows of one question."""
    if not rewards.parts:
        return list(scored)
    own, beside = by_question(rows), by_question(contrast)
    groups = [
        Group(rows[places[0]].example.sample, tuple(member(rows[i], scored[i]) for i in places),
              tuple(member(contrast[i], contrast_scored[i]) for i in beside.get(name, [])))
        for name, places in own.items()
    ]
    found = list(scored)
    for places, made in zip(own.values(), rewards.rewarded(groups), strict=True):
        for place, one in zip(places, made, strict=True):
            found[place] = one
    return found


def by_question(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Row numbers of each question; a batch holds none twice."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault(row.sample_id, []).append(number)
    return found


def member(row: Row, scored: Scored) -> Member:
    """A rollout as group rewards see it."""
    done = row.completion
    return Member(scored, len(done.ids), row.variant_id, done.finished, done.text)

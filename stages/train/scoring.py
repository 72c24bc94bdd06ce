"""What a batch's rollouts are worth."""

from collections.abc import Sequence

from strive.stages.tasks.prompt import PromptFormat
from strive.stages.train.engine.rollout import Row
from strive.stages.train.reward.rewards import RewardSet, Scored


def score_rows(rows: Sequence[Row], prompt: PromptFormat, rewards: RewardSet) -> list[Scored]:
    """Each row's own reward."""
    replies = [prompt.parse(row.completion.text, truncated=not row.completion.finished) for row in rows]
    return rewards.score_batch([row.example.sample for row in rows], replies)

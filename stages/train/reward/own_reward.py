"""A reward function of the user's own: `(sample, reply) -> float`, or one that takes all replies of a step."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.own_call import Kind, OwnCall

SETTING = "train.rewards"
KIND = Kind("reward", SETTING, ("sample", "reply"), "def reward(sample: Sample, reply: Reply) -> float", "reply",
            "replies")
MARK = "is_batch_reward"

F = TypeVar("F", bound=Callable[..., Any])


def batch_reward(function: F) -> F:
    """Marks a reward that takes a step's rollouts at once: `(samples, replies) -> list[float]`, one float each."""
    setattr(function, MARK, True)
    return function


class OwnReward(OwnCall):
    """`module:function` of the user's that judges replies one by one, or all of a step at once."""

    def __init__(self, name: str, timeout_s: float) -> None:
        super().__init__(name, timeout_s, KIND)
        self.is_batch = bool(getattr(self.function, MARK, False))

    def values(self, samples: Sequence[Sample], replies: Sequence[Reply]) -> list[float]:
        """One number a reply; NaN where the function gave none: it raised, took too long, returned NaN or infinity.

        Raises UsageError for a value that is no number or a list of another length, StoppedError when calls keep
        running out of time.
        """
        if self.is_batch:
            return self.called_for_list(len(samples), list(samples), list(replies))
        return [self.number(self.call(1, s, r)) for s, r in zip(samples, replies, strict=True)]

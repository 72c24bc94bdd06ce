"""What a reply is worth: named reward functions, weighted and summed; they read the parsed reply of evaluation."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from strive.configs.errors import UsageError
from strive.configs.load import nearest
from strive.stages.tasks.grade import grade
from strive.stages.tasks.plugins import is_plugin
from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.own_call import number
from strive.stages.train.reward.own_reward import SETTING, OwnReward
from strive.stages.train.reward.weighted import Weighted

Reward = Callable[[Sample, Reply], float]


def accuracy(sample: Sample, reply: Reply) -> float:
    """The verifier's score of the parsed answer, in [0, 1]; 0 when nothing could be parsed."""
    return float(grade(sample, reply).score)


def format_(sample: Sample, reply: Reply) -> float:
    """1 when the reply has exactly the asked-for shape, else 0."""
    return float(reply.well_formed)


def format3(sample: Sample, reply: Reply) -> float:
    """1 for the asked-for shape around an answer of the question's kind, 0.5 for the shape alone, else 0.

    The three-valued format reward of EasyVideoR1 (`video_reward.py`); whether the answer is right does not matter.
    """
    if not reply.well_formed:
        return 0.0
    return 0.5 if grade(sample, reply).parsed is None else 1.0


REWARDS: dict[str, Reward] = {"accuracy": accuracy, "format": format_, "format3": format3}


@dataclass(frozen=True)
class Scored:
    """One reply's reward.

    total: weighted sum, NaN when any part is not a finite number. parts: each reward before its weight. bad: names of
    the rewards that gave no finite number. accuracy, well_formed: always known, whatever the rewards are (metrics).
    """

    total: float
    parts: dict[str, float]
    bad: tuple[str, ...]
    accuracy: float
    well_formed: bool


class Part(Protocol):
    """One reward of a set."""

    def values(self, samples: Sequence[Sample], replies: Sequence[Reply]) -> list[float]:
        """One number a reply, NaN or infinite where there is none."""


@dataclass(frozen=True)
class BuiltIn:
    """A function of `REWARDS`, called as it is: nothing in it can hang or raise."""

    name: str
    function: Reward

    def values(self, samples: Sequence[Sample], replies: Sequence[Reply]) -> list[float]:
        """`UsageError` for what is not a number."""
        return [number(self.name, self.function(s, r)) for s, r in zip(samples, replies, strict=True)]


class RewardSet(Weighted[Part]):
    """The rewards of a run, ready to be called: sum_k w_k r_k(sample, reply)."""

    def score(self, sample: Sample, reply: Reply) -> Scored:
        """The reward of one reply."""
        return self.score_batch([sample], [reply])[0]

    def score_batch(self, samples: Sequence[Sample], replies: Sequence[Reply]) -> list[Scored]:
        """The rewards of many replies, `replies[i]` being one to `samples[i]`; batch rewards are called once.

        A part that is NaN or infinite makes its reply's total NaN, never a default, and is named in `bad`. Raises
        UsageError for a reward that returns no number, StoppedError for one that keeps running out of time.
        """
        if not samples:
            return []
        columns = {name: part.values(samples, replies) for name, part in self.parts.items()}
        rows = ({name: column[place] for name, column in columns.items()} for place in range(len(samples)))
        return [self._scored(*row) for row in zip(samples, replies, rows, strict=True)]

    def _scored(self, sample: Sample, reply: Reply, parts: dict[str, float]) -> Scored:
        bad = tuple(name for name, value in parts.items() if not math.isfinite(value))
        total = math.nan if bad else sum(self.weights[name] * value for name, value in parts.items())
        hit = parts.get("accuracy", math.nan)
        return Scored(total, parts, bad, hit if math.isfinite(hit) else accuracy(sample, reply), reply.well_formed)


def load_rewards(weights: Mapping[str, float], timeout_s: float) -> RewardSet:
    """The rewards named in `weights`: built-ins, and `module:function` imported from the user's machine.

    timeout_s: seconds after which one call of the user's counts as failed; built-ins have no limit. Raises
    UsageError for an empty table, an unknown reward (naming the nearest), a weight that is not finite, or a function
    that cannot be imported or called; MissingError when it needs a package that is not installed.
    """
    if not weights:
        raise UsageError(f"{SETTING} is empty", "at least one {name: weight}", "Try {accuracy: 0.9, format: 0.1}.")
    for name, weight in weights.items():
        if not math.isfinite(weight):
            raise UsageError(f"{SETTING}.{name} = {weight}", "a finite weight", "Give a number such as 0.9.")
    return RewardSet(weights, {name: _part(name, timeout_s) for name in weights})


def check_names(weights: Mapping[str, float]) -> None:
    """The errors of `load_rewards`, before anything is started."""
    load_rewards(weights, timeout_s=math.inf)


def _part(name: str, timeout_s: float) -> Part:
    if name in REWARDS:
        return BuiltIn(name, REWARDS[name])
    if is_plugin(name):
        return OwnReward(name, timeout_s)
    raise UsageError(f"{SETTING}: no reward named {name!r}", f"one of {', '.join(REWARDS)}, or module:function",
                     nearest(name, REWARDS))

"""What a reply is worth: named reward functions, weighted and summed; they read the parsed reply of evaluation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from strive.configs.errors import UsageError
from strive.configs.load import nearest
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample

Reward = Callable[[Sample, Reply], float]


def accuracy(sample: Sample, reply: Reply) -> float:
    """The verifier's score of the parsed answer, in [0, 1]; 0 when nothing could be parsed."""
    return float(grade(sample, reply).score)


def format_(sample: Sample, reply: Reply) -> float:
    """1 when the reply has exactly the asked-for shape, else 0."""
    return float(reply.well_formed)


REWARDS: dict[str, Reward] = {"accuracy": accuracy, "format": format_}


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


def check_names(weights: Mapping[str, float]) -> None:
    """`UsageError` for an empty table, an unknown reward (naming the nearest) or a weight that is not finite."""
    if not weights:
        raise UsageError("train.rewards is empty", "at least one {name: weight}", "Try {accuracy: 0.9, format: 0.1}.")
    for name, weight in weights.items():
        if name not in REWARDS:
            raise UsageError(f"train.rewards: no reward named {name!r}", f"one of {', '.join(REWARDS)}",
                             nearest(name, REWARDS))
        if not math.isfinite(weight):
            raise UsageError(f"train.rewards.{name} = {weight}", "a finite weight", "Give a number such as 0.9.")


def score(sample: Sample, reply: Reply, weights: Mapping[str, float]) -> Scored:
    """sum_k w_k r_k(sample, reply); a part that is NaN or infinite makes the total NaN, never a default."""
    parts = {name: _number(name, REWARDS[name](sample, reply)) for name in weights}
    bad = tuple(name for name, value in parts.items() if not math.isfinite(value))
    total = math.nan if bad else sum(weights[name] * value for name, value in parts.items())
    hit = parts.get("accuracy", math.nan)
    return Scored(total, parts, bad, hit if math.isfinite(hit) else accuracy(sample, reply), reply.well_formed)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"reward {name} returned {value!r} ({type(value).__name__})", "one float per reply",
                         "Mend the reward function.")
    return float(value)

"""Rewards that look at a whole group: a bonus for each trained rollout, given all rollouts of its question."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

from strive.configs.errors import UsageError
from strive.configs.load import nearest
from strive.configs.run_stages import TrainConfig
from strive.configs.schema import Config
from strive.stages.tasks.plugins import is_plugin
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.own_call import Kind, OwnCall
from strive.stages.train.reward.rewards import Scored
from strive.stages.train.reward.weighted import Weighted

SETTING = "train.group_rewards"
KIND = Kind("group reward", SETTING, ("group",), "def reward(group: Group) -> list[float]", "trained member",
            "trained members")
CORRECT = 0.1
"""A rollout counts as correct above this accuracy (Video-R1, `grpo_trainer.py`)."""
ROUNDING = 1e-9
"""Means are compared up to this: 3/5 reaches 0.8 x 3/4, which no two floats say exactly."""


@dataclass(frozen=True)
class Member:
    """One rollout of a group. scored: its own reward, without any bonus. tokens: those of the completion.

    variant_id: the number of its variant, or of its contrast view. finished: False when stopped at the token limit.
    """

    scored: Scored
    tokens: int
    variant_id: int
    finished: bool
    text: str

    @property
    def has_reward(self) -> bool:
        """False when one of its rewards gave no finite number: it counts in no mean and gets no bonus."""
        return math.isfinite(self.scored.total) and math.isfinite(self.scored.accuracy)

    @property
    def correct(self) -> bool:
        """Has a reward and an accuracy above `CORRECT`."""
        return self.has_reward and self.scored.accuracy > CORRECT


@dataclass(frozen=True)
class Group:
    """All rollouts of a question in a step: `trained`, over all variants, and `contrast`, never trained on."""

    sample: Sample
    trained: tuple[Member, ...]
    contrast: tuple[Member, ...] = ()


GroupReward = Callable[[Group, TrainConfig], list[float]]


def temporal(group: Group, config: TrainConfig) -> list[float]:
    """1 for each correct member when mean accuracy(trained) >= temporal_margin * mean accuracy(contrast), else 0.

    T-GRPO (Video-R1, arXiv 2503.21776; its `grpo_trainer.py`): the bonus says that frames in order helped.
    Members without a reward are left out of both means and get 0; where one side has none left, nothing can be
    compared and all get NaN. UsageError for a group without any contrast members.
    """
    if not group.contrast:
        raise UsageError(f"group reward temporal: {group.sample.id} has no rollouts on a contrast view",
                         "some for each question", "Make the bundles again with variants.contrast=[shuffle].")
    ordered, contrast = mean_accuracy(group.trained), mean_accuracy(group.contrast)
    if math.isnan(ordered) or math.isnan(contrast):
        return [math.nan] * len(group.trained)
    helped = ordered >= config.temporal_margin * contrast - ROUNDING
    return [float(helped and one.correct) for one in group.trained]


def length_band(group: Group, config: TrainConfig) -> list[float]:
    """1 for each correct member of `length_band` tokens (both ends included) when two are correct, else 0.

    The length reward of Video-R1 (`grpo_trainer.py`, 320 to 512 tokens).
    """
    low, high = config.length_band
    enough = sum(one.correct for one in group.trained) >= 2
    return [float(enough and one.correct and low <= one.tokens <= high) for one in group.trained]


GROUP_REWARDS: dict[str, GroupReward] = {"temporal": temporal, "length_band": length_band}


def mean_accuracy(members: Sequence[Member]) -> float:
    """Over the members that have a reward; NaN when none has."""
    found = [one.scored.accuracy for one in members if one.has_reward]
    return fmean(found) if found else math.nan


class GroupPart(Protocol):
    """One group reward of a run."""

    def values(self, group: Group) -> list[float]:
        """One number for each of `group.trained`, NaN or infinite where there is none."""


@dataclass(frozen=True)
class BuiltInGroup:
    """A function of `GROUP_REWARDS` with the settings that it reads."""

    function: GroupReward
    config: TrainConfig

    def values(self, group: Group) -> list[float]:
        """What the function gives."""
        return self.function(group, self.config)


class OwnGroupReward(OwnCall):
    """`module:function` of the user's; all members of a group have NaN where it raised or took too long."""

    def values(self, group: Group) -> list[float]:
        """UsageError for what is no list of a number for each trained member, StoppedError for repeated timeouts."""
        return self.called_for_list(len(group.trained), group)


class GroupRewards(Weighted[GroupPart]):
    """The group rewards of a run, ready to be called: sum_k w_k r_k(group) for each member. Without any: nothing."""

    def rewarded(self, groups: Sequence[Group]) -> list[list[Scored]]:
        """The `scored` of each of `group.trained` with its bonus added and the parts named."""
        return [[with_bonus(one.scored, parts, self.weights) for one, parts in zip(group.trained, members, strict=True)]
                for group, members in zip(groups, self.values(groups), strict=True)]

    def values(self, groups: Sequence[Group]) -> list[list[dict[str, float]]]:
        """Each part before its weight, for each of `group.trained`."""
        found = []
        for group in groups:
            columns = {name: part.values(group) for name, part in self.parts.items()}
            found.append([{name: column[place] for name, column in columns.items()}
                          for place in range(len(group.trained))])
        return found


def with_bonus(scored: Scored, parts: Mapping[str, float], weights: Mapping[str, float]) -> Scored:
    """`scored` with sum_k weights[k] * parts[k] added; a part that is not finite makes the total NaN and is bad."""
    bad = tuple(name for name, value in parts.items() if not math.isfinite(value))
    return replace(scored, total=scored.total + weighted(weights, parts), parts={**scored.parts, **parts},
                   bad=(*scored.bad, *bad))


def weighted(weights: Mapping[str, float], parts: Mapping[str, float]) -> float:
    """sum_k weights[k] * parts[k], NaN when a part is not finite."""
    if not all(math.isfinite(value) for value in parts.values()):
        return math.nan
    return sum(weights[name] * value for name, value in parts.items())


def load_group_rewards(config: TrainConfig) -> GroupRewards:
    """The functions named in `train.group_rewards`: built-ins, and `module:function` from the user's machine.

    Raises UsageError for an unknown name, a name that is in `train.rewards` too, or a function that cannot be imported
    or called; MissingError when it needs a package that is not installed.
    """
    for name in config.group_rewards:
        if name in config.rewards:
            raise UsageError(f"{name} is in train.rewards and in {SETTING}", "two names", "Take it out of one.")
    return GroupRewards(config.group_rewards, {name: _part(name, config) for name in config.group_rewards})


def check_group_rewards(config: Config) -> None:
    """The errors of `load_group_rewards`, and `UsageError` for `temporal` without rollouts on contrast views."""
    load_group_rewards(config.train)
    if "temporal" in config.train.group_rewards and not (config.variants.contrast and config.train.contrast_rollouts):
        raise UsageError(f"{SETTING}: temporal with variants.contrast = {list(config.variants.contrast)} and "
                         f"train.contrast_rollouts = {config.train.contrast_rollouts}",
                         "rollouts on a contrast view to compare with",
                         f"Set variants.contrast=[shuffle] and train.contrast_rollouts={config.train.rollouts // 2}, "
                         "or take temporal out.")


def _part(name: str, config: TrainConfig) -> GroupPart:
    if name in GROUP_REWARDS:
        return BuiltInGroup(GROUP_REWARDS[name], config)
    if is_plugin(name):
        return OwnGroupReward(name, config.reward_timeout_s, KIND)
    raise UsageError(f"{SETTING}: no group reward named {name!r}",
                     f"one of {', '.join(GROUP_REWARDS)}, or module:function", nearest(name, GROUP_REWARDS))

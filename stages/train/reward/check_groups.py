"""Group rewards tried on made-up groups of the replies that `check.py` tries rewards on."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from strive.configs.errors import UsageError
from strive.configs.run_stages import TrainConfig
from strive.stages.train.reward.fixtures import CUT, EMPTY, RIGHT, WRONG, Trial, kind_of
from strive.stages.train.reward.group_rewards import Group, GroupPart, Member, OwnGroupReward
from strive.stages.train.reward.rewards import Scored

MIXES = {
    "better than contrast": ((RIGHT, RIGHT, WRONG, CUT), (WRONG, EMPTY)),
    "contrast better": ((RIGHT, WRONG, WRONG, EMPTY), (RIGHT, RIGHT)),
    "all wrong": ((WRONG, WRONG, WRONG, WRONG), (WRONG, WRONG)),
}
"""Replies of the trained members and of those on contrast views; the first member's length is in the length band."""


@dataclass(frozen=True)
class MadeGroup:
    """A group to try; `what` is one of `MIXES`."""

    what: str
    group: Group


@dataclass(frozen=True)
class TriedGroup:
    """What one group reward made of each group: a value for each trained member, NaN where it gave none."""

    name: str
    weight: float
    file: Path | None
    values: list[list[float]]
    ms: float
    flags: tuple[str, ...]


def made_groups(tried_on: Sequence[Trial], scored: Sequence[Scored], config: TrainConfig) -> list[MadeGroup]:
    """Groups for each question; `scored[i]` is what `tried_on[i]` is worth; contrast only with contrast rollouts."""
    of: dict[tuple[str, str], dict[str, tuple[Trial, Scored]]] = {}
    for trial, one in zip(tried_on, scored, strict=True):
        of.setdefault(kind_of(trial.sample), {})[trial.what] = trial, one
    return [MadeGroup(what, _group(replies, trained, contrast if config.contrast_rollouts else (), config))
            for replies in of.values() for what, (trained, contrast) in MIXES.items()]


def _group(replies: Mapping[str, tuple[Trial, Scored]], trained: Sequence[str], contrast: Sequence[str],
           config: TrainConfig) -> Group:
    members = [_member(*replies[what], config.max_new_tokens) for what in trained]
    in_band = min(sum(config.length_band) // 2, config.max_new_tokens)
    first = Member(members[0].scored, in_band, 0, members[0].finished, members[0].text)
    beside = tuple(_member(*replies[what], config.max_new_tokens) for what in contrast)
    return Group(replies[RIGHT][0].sample, (first, *members[1:]), beside)


def _member(trial: Trial, scored: Scored, most: int) -> Member:
    tokens = most if trial.reply.cut else min(len(trial.reply.raw.split()) + 1, most)
    return Member(scored, tokens, 0, not trial.reply.cut, trial.reply.raw)


def try_group_reward(name: str, weight: float, part: GroupPart, groups: Sequence[MadeGroup], slow_ms: float
                     ) -> TriedGroup:
    """Call one group reward on each group; UsageError when any member got no number."""
    own = part if isinstance(part, OwnGroupReward) else None
    values: list[list[float]] = []
    spent: list[float] = []
    for made in groups:
        began = time.perf_counter()
        values.append(part.values(made.group))
        spent.append(1000 * (time.perf_counter() - began))
        if not all(map(math.isfinite, values[-1])):
            told = "; ".join(own.take_troubles()) if own is not None else f"group reward {name}"
            raise UsageError(f"{told}: no number for a member of a group ({made.group.sample.question_type}, "
                             f"{made.what})", "a finite number for each", "Mend the reward function.")
    flags = group_flags(values, median(spent), slow_ms)
    return TriedGroup(name, weight, own.file if own is not None else None, values, median(spent), flags)


def group_flags(values: Sequence[Sequence[float]], ms: float, slow_ms: float) -> tuple[str, ...]:
    """What is odd about a group reward, in words."""
    odd = [value for row in values for value in row if not 0 <= value <= 1]
    flags = [f"{odd[0]:g} is outside [0, 1]"] if odd else []
    if all(min(row) == max(row) for row in values):
        flags.append("same value for all members of each group: it cannot teach")
    if ms > slow_ms:
        flags.append(f"{ms:.0f} ms a call")
    return tuple(flags)

"""`strive train --check`: the rewards and the prompt format of a config, tried without a model or a video."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from strive.cli.options import Common
from strive.cli.output import number
from strive.cli.session import open_session
from strive.cli.table import table
from strive.configs.errors import UsageError

if TYPE_CHECKING:
    from strive.stages.train.reward.check import Findings, Tried


def try_rewards(options: Common, recipe: str, data: Sequence[Path]) -> None:
    """Print what each reward gives for each reply; `UsageError` when a reward or a format cannot be used."""
    session = open_session("train", options, recipe=recipe)
    from strive.stages.tasks.dataset import read_dataset
    from strive.stages.train.reward.check import check

    found = check(session.resolved.config, [sample for file in data for sample in read_dataset(file)])
    lines = lines_of(found)
    if found.problems:
        for line in (*lines, *(f"problem: {problem.what}" for problem in found.problems[1:])):
            session.out.talk(line)
        first = found.problems[0]
        error = UsageError(first.what, first.expected, first.do)
        error.fields = {"done": 0, "cached": 0, "failed": [], "outputs": {}, **found.fields()}
        raise error
    lines.append("train: rewards and prompt format can be used")
    session.finish(done=len(found.trials), fields=found.fields(), lines=lines)


def lines_of(found: "Findings") -> list[str]:
    """The findings for people: a table of the rewards, one of the replies, the warnings."""
    groups = f", {len(found.group_rewards)} group rewards on {len(found.groups)} groups" if found.groups else ""
    lines = [f"train: {len(found.rewards)} rewards tried on {len(found.trials)} replies{groups}; prompt {found.form}"]
    if found.rewards:
        heads = [["reward", "weight", "lowest", "highest", "ms/call", "flags"], *(about(one) for one in found.rewards)]
        rows = [["question type", "reply", *(one.name for one in found.rewards), "total"]]
        rows += [[trial.sample.question_type, trial.what, *(shown(one.values[i]) for one in found.rewards),
                  shown(found.totals[i])] for i, trial in enumerate(found.trials)]
        lines += [*table(heads, right=(1, 2, 3, 4)), "", *table(rows, right=tuple(range(2, len(rows[0])))), ""]
    return [*lines, *lines_of_groups(found), *(f"warning: {text}" for text in found.warnings)]


def lines_of_groups(found: "Findings") -> list[str]:
    """A table of the group rewards with the value of each trained member, [] without any."""
    if not found.group_rewards:
        return []
    rows = [["question type", "group", *(f"{one.name} (x {one.weight:g})" for one in found.group_rewards)]]
    rows += [[made.group.sample.question_type, made.what,
              *(" ".join(map(shown, one.values[place])) for one in found.group_rewards)]
             for place, made in enumerate(found.groups)]
    return [*table(rows), ""]


def about(one: "Tried") -> list[str]:
    """One reward's line."""
    finite = [value for value in one.values if math.isfinite(value)]
    ends = [shown(min(finite, default=math.nan)), shown(max(finite, default=math.nan))]
    return [one.name, f"{one.weight:g}", *ends, f"{one.ms:.3f}", "; ".join(one.flags)]


def shown(value: float) -> str:
    """A reward's value, a dash where there is none."""
    return number(value) if math.isfinite(value) else "-"

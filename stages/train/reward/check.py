"""Rewards and prompt formats tried on fixtures before money is spent: no model, no video (`strive train --check`)."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from strive.configs.errors import InterruptedRun, StriveError, UsageError
from strive.configs.schema import Config
from strive.stages.tasks.own_format import OwnFormat
from strive.stages.tasks.prompt import PromptFormat, format_named
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.check_groups import MadeGroup, TriedGroup, made_groups, try_group_reward
from strive.stages.train.reward.fixtures import (
    FIXTURES,
    RIGHT,
    WRONG,
    Trial,
    conforming,
    kind_of,
    one_of_each,
    trials,
)
from strive.stages.train.reward.group_rewards import check_group_rewards, load_group_rewards
from strive.stages.train.reward.own_reward import OwnReward
from strive.stages.train.reward.rewards import Part, RewardSet, Scored, accuracy, load_rewards

SLOW_MS = 10.0
"""A call above this is told: a step makes hundreds."""


@dataclass(frozen=True)
class Tried:
    """What one reward made of the trials, in their order; NaN where it gave no number."""

    name: str
    weight: float
    file: Path | None
    values: list[float]
    ms: float
    flags: tuple[str, ...]


@dataclass
class Findings:
    """What was tried and what was found: with `problems` the config cannot be used, with `warnings` it can."""

    form: str
    trials: list[Trial] = field(default_factory=list)
    rewards: list[Tried] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    groups: list[MadeGroup] = field(default_factory=list)
    group_rewards: list[TriedGroup] = field(default_factory=list)
    problems: list[StriveError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """All of it as JSON; a value that is not finite is null."""
        replies = [
            {"question_type": trial.sample.question_type, "id": trial.sample.id, "reply": trial.what,
             "rewards": {one.name: _plain(one.values[place]) for one in self.rewards},
             "total": _plain(self.totals[place])}
            for place, trial in enumerate(self.trials)
        ]
        groups = [
            {"question_type": made.group.sample.question_type, "id": made.group.sample.id, "group": made.what,
             "rewards": {one.name: one.values[place] for one in self.group_rewards}}
            for place, made in enumerate(self.groups)
        ]
        return {"prompt_format": self.form, "rewards": [_about(one) for one in self.rewards], "replies": replies,
                "group_rewards": [_about(one) for one in self.group_rewards], "groups": groups,
                "warnings": self.warnings, "problems": [problem.as_dict() for problem in self.problems]}


def check(config: Config, samples: Sequence[Sample] = ()) -> Findings:
    """Try rewards, group rewards and both prompt formats; on one question of each kind of `samples`, or on fixtures."""
    found = Findings(config.train.prompt_format)
    questions = one_of_each(samples) or list(FIXTURES)
    named = {config.eval.prompt_format: "eval.prompt_format", config.train.prompt_format: "train.prompt_format"}
    forms = {name: _told(found, format_named, name, key) for name, key in named.items()}
    for form in forms.values():
        if form is not None:
            _told(found, check_format, form, questions, found)
    if not found.problems:
        form = forms[config.train.prompt_format]
        found.trials = [trial for sample in questions for trial in trials(form, sample)]
    hint = "" if samples else " (or try it on your own questions: --data FILE)"
    for name, weight in config.train.rewards.items():
        alone = _told(found, load_rewards, {name: weight}, config.train.reward_timeout_s)
        if alone is not None and found.trials:
            _told(found, _try, alone, found, hint)
            alone.close()
    _add_totals(found, len(config.train.rewards))
    _told(found, check_group_rewards, config)
    if config.train.group_rewards and found.trials and not found.problems:
        _try_groups(found, config)
    return found


def check_format(form: PromptFormat, questions: Sequence[Sample], found: Findings) -> None:
    """Renders each question, and parses the reply that the format asks for; UsageError from code that raises."""
    whose = f"prompt format {form.name}:"
    for sample in (*FIXTURES, *questions):
        text = form.render(sample.blind())
        if sample.question not in text or any(option not in text for option in sample.options or ()):
            found.warnings.append(f"{whose} the prompt of {sample.id} lacks the question or an option")
        if sample in FIXTURES and sample.question_type in ("open", "numerical") and sample.answer in text:
            found.problems.append(UsageError(f"{whose} the prompt of {sample.id} has its answer in it",
                                             "a prompt without the answer", "Mend its render."))
    lost = [sample for sample in questions if conforming(form, sample.answer) is None]
    if lost:
        _add_lost(form, lost, all(sample in FIXTURES for sample in questions) and len(lost) < len(questions), found)


def _add_lost(form: PromptFormat, lost: Sequence[Sample], unasked: bool, found: Findings) -> None:
    """Answers that the parser does not give back; a warning for kinds that the user has not shown to have."""
    whose, kinds = f"prompt format {form.name}:", ", ".join(sorted({sample.question_type for sample in lost}))
    if isinstance(form, OwnFormat) and form.example(lost[0].answer) is None:
        found.warnings.append(f"{whose} what a good reply to {kinds} looks like could not be guessed, so its parser "
                              "was not tried on one; give it example(answer) -> str")
    elif unasked:
        found.warnings.append(f"{whose} a reply in the asked-for shape does not give back answers to {kinds}")
    else:
        what = f"{whose} a reply in the asked-for shape does not give back {lost[0].answer!r}"
        found.problems.append(UsageError(what, "parse(text, False) with that answer and well_formed=True",
                                         "Mend its parse or its example."))


def _told(found: Findings, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, or None with its error among the problems."""
    try:
        return function(*arguments)
    except InterruptedRun:
        raise
    except StriveError as error:
        found.problems.append(error)
        return None


def _try(alone: RewardSet, found: Findings, hint: str) -> None:
    """Call one reward on every trial and judge what it gave."""
    (name, weight), (part,) = next(iter(alone.weights.items())), alone.parts.values()
    values, ms = _called(part, found.trials)
    bad = [trial for trial, value in zip(found.trials, values, strict=True) if not math.isfinite(value)]
    if bad:
        told = "; ".join(part.take_troubles()) if isinstance(part, OwnReward) else f"reward {name}"
        first = f"{bad[0].sample.question_type}, {bad[0].what}"
        found.problems.append(UsageError(f"{told}: no number for {len(bad)} of {len(values)} replies (first: {first})",
                                         "a finite number for each", f"Mend the reward function{hint}."))
    flags = flags_of(values, ms, found.trials)
    file = part.file if isinstance(part, OwnReward) else None
    found.rewards.append(Tried(name, weight, file, values, ms, flags))
    found.warnings += [f"reward {name}: {flag}" for flag in flags if flag != BLIND]


def _called(part: Part, tried_on: Sequence[Trial]) -> tuple[list[float], float]:
    """A reward's values and its median milliseconds a reply; one that runs out of time is not called again."""
    own = part if isinstance(part, OwnReward) else None
    size = len(tried_on) if own is not None and own.is_batch else 1
    values: list[float] = []
    spent: list[float] = []
    for start in range(0, len(tried_on), size):
        some = tried_on[start : start + size]
        began = time.perf_counter()
        values += part.values([trial.sample for trial in some], [trial.reply for trial in some])
        spent.append(1000 * (time.perf_counter() - began) / len(some))
        if own is not None and own.failures["timeout"]:
            break
    return values + [math.nan] * (len(tried_on) - len(values)), median(spent)


BLIND = "same value for right and wrong answers"


def flags_of(values: Sequence[float], ms: float, tried_on: Sequence[Trial]) -> tuple[str, ...]:
    """What is odd about a reward, in words."""
    finite = [value for value in values if math.isfinite(value)]
    odd = [value for value in finite if not 0 <= value <= 1]
    flags = [f"{odd[0]:g} is outside [0, 1]"] if odd else []
    if finite and min(finite) == max(finite):
        flags.append("same value for every reply: it cannot teach")
    elif finite and not telling(values, tried_on):
        flags.append(BLIND)
    if ms > SLOW_MS:
        flags.append(f"{ms:.0f} ms a call")
    return tuple(flags)


def telling(values: Sequence[float], tried_on: Sequence[Trial]) -> set[tuple[str, str]]:
    """The kinds of questions whose right and wrong answers have different values."""
    of = {(kind_of(trial.sample), trial.what): value for trial, value in zip(tried_on, values, strict=True)}
    kinds = {kind_of(trial.sample) for trial in tried_on}
    return {kind for kind in kinds if of[kind, RIGHT] != of[kind, WRONG] and math.isfinite(of[kind, RIGHT])}


def _add_totals(found: Findings, rewards: int) -> None:
    """The weighted sums, and a warning for questions that they cannot teach."""
    found.totals = [math.nan] * len(found.trials)
    if not found.trials or len(found.rewards) < rewards:
        return
    found.totals = [sum(one.weight * one.values[i] for one in found.rewards) for i in range(len(found.trials))]
    told = telling(found.totals, found.trials)
    blind = sorted({trial.sample.question_type for trial in found.trials if kind_of(trial.sample) not in told})
    if blind and not found.problems:
        found.warnings.append(f"the whole reward is the same for right and wrong answers: it cannot teach "
                              f"{', '.join(blind)}")


def _try_groups(found: Findings, config: Config) -> None:
    """Call each group reward on made-up groups of the trials."""
    scored = [Scored(found.totals[i], {one.name: one.values[i] for one in found.rewards}, (),
                     accuracy(trial.sample, trial.reply), trial.reply.well_formed)
              for i, trial in enumerate(found.trials)]
    found.groups = made_groups(found.trials, scored, config.train)
    loaded = load_group_rewards(config.train)
    for name, part in loaded.parts.items():
        one = _told(found, try_group_reward, name, loaded.weights[name], part, found.groups, SLOW_MS)
        if one is not None:
            found.group_rewards.append(one)
            found.warnings += [f"group reward {name}: {flag}" for flag in one.flags]
    loaded.close()


def _about(one: Tried | TriedGroup) -> dict[str, Any]:
    return {"name": one.name, "weight": one.weight, "file": str(one.file) if one.file else None,
            "ms_per_call": round(one.ms, 4), "flags": list(one.flags)}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""Rewards and prompt formats tried on fixtures before money is spent: no model, no video (`strive train --check`)."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from strive.configs.errors import StriveError, UsageError
from strive.configs.schema import Config
from strive.stages.tasks.own_format import OwnFormat
from strive.stages.tasks.prompt import PromptFormat, format_named
from strive.stages.tasks.sample import Sample
from strive.stages.train.own_reward import OwnReward
from strive.stages.train.reward_fixtures import FIXTURES, RIGHT, WRONG, Trial, conforming, one_of_each, trials
from strive.stages.train.rewards import RewardSet, load_rewards

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
        rewards = [
            {"name": one.name, "weight": one.weight, "file": str(one.file) if one.file else None,
             "ms_per_call": round(one.ms, 4), "flags": list(one.flags)} for one in self.rewards
        ]
        return {"prompt_format": self.form, "rewards": rewards, "replies": replies, "warnings": self.warnings,
                "problems": [problem.as_dict() for problem in self.problems]}


def check(config: Config, samples: Sequence[Sample] = ()) -> Findings:
    """Try train.rewards and both prompt formats; on one question of each kind among `samples`, or on the fixtures."""
    found = Findings(config.train.prompt_format)
    questions = one_of_each(samples) or list(FIXTURES)
    forms = {name: _told(found, format_named, name, key) for key, name in (
        ("eval.prompt_format", config.eval.prompt_format), ("train.prompt_format", config.train.prompt_format))}
    for form in forms.values():
        if form is not None:
            _told(found, check_format, form, questions, found)
    form = forms[config.train.prompt_format]
    if form is not None and not found.problems:
        found.trials = [trial for sample in questions for trial in trials(form, sample)]
    for name, weight in config.train.rewards.items():
        alone = _told(found, load_rewards, {name: weight}, config.train.reward_timeout_s)
        if alone is not None and found.trials:
            _told(found, _try, alone, found)
    _add_totals(found, len(config.train.rewards))
    return found


def check_format(form: PromptFormat, questions: Sequence[Sample], found: Findings) -> None:
    """Renders each question, and parses the reply that the format asks for; UsageError from code that raises."""
    for sample in (*FIXTURES, *questions):
        text = form.render(sample.blind())
        if sample.question not in text or any(option not in text for option in sample.options or ()):
            found.warnings.append(f"prompt format {form.name}: the prompt of {sample.id} lacks the question or options")
        if sample in FIXTURES and sample.question_type in ("open", "numerical") and sample.answer in text:
            found.problems.append(UsageError(f"prompt format {form.name}: the prompt of {sample.id} has its answer in it",
                                             "a prompt without the answer", "Mend its render."))
    lost = [sample for sample in questions if conforming(form, sample.answer) is None]
    if lost and isinstance(form, OwnFormat) and form.example(lost[0].answer) is None:
        found.warnings.append(f"prompt format {form.name}: what a good reply looks like could not be guessed, so its "
                              "parser was not tried on one; give it example(answer) -> str")
    elif lost:
        found.problems.append(UsageError(
            f"prompt format {form.name}: a reply in the asked-for shape does not give back {lost[0].answer!r}",
            "parse(text, False) with that answer and well_formed=True", "Mend its parse or its example."))


def _told(found: Findings, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, or None with its error among the problems."""
    try:
        return function(*arguments)
    except StriveError as error:
        found.problems.append(error)
        return None


def _try(alone: RewardSet, found: Findings) -> None:
    """Call one reward on every trial; one that runs out of time is not called again."""
    (name, weight), (part,) = next(iter(alone.weights.items())), alone.parts.values()
    values: list[float] = []
    spent: list[float] = []
    own = part if isinstance(part, OwnReward) else None
    size = len(found.trials) if own is not None and own.is_batch else 1
    for start in range(0, len(found.trials), size):
        some = found.trials[start : start + size]
        began = time.perf_counter()
        values += part.values([t.sample for t in some], [t.reply for t in some])
        spent.append(1000 * (time.perf_counter() - began) / len(some))
        if own is not None and own.failures["timeout"]:
            values += [math.nan] * (len(found.trials) - len(values))
            break
    bad = [trial for trial, value in zip(found.trials, values, strict=True) if not math.isfinite(value)]
    if bad:
        told = "; ".join(own.take_troubles()) if own is not None else f"reward {name}"
        found.problems.append(UsageError(f"{told}: no finite number for {len(bad)} of {len(values)} replies, the first: "
                                         f"{bad[0].sample.question_type}, {bad[0].what}", "a finite number for each",
                                         "Mend the reward function."))
    alone.close()
    tried = Tried(name, weight, own.file if own else None, values, median(spent), ())
    flags = flags_of(tried, found.trials)
    found.rewards.append(Tried(name, weight, tried.file, values, tried.ms, flags))
    found.warnings += [f"reward {name}: {flag}" for flag in flags if flag != BLIND]


BLIND = "same value for right and wrong answers"


def flags_of(tried: Tried, tried_on: Sequence[Trial]) -> tuple[str, ...]:
    """What is odd about a reward, in words."""
    finite = [value for value in tried.values if math.isfinite(value)]
    odd = [value for value in finite if not 0 <= value <= 1]
    flags = [f"{odd[0]:g} is outside [0, 1]"] if odd else []
    if finite and min(finite) == max(finite):
        flags.append("same value for every reply: it cannot teach")
    elif finite and not telling(tried.values, tried_on):
        flags.append(BLIND)
    if tried.ms > SLOW_MS:
        flags.append(f"{tried.ms:.0f} ms a call")
    return tuple(flags)


def telling(values: Sequence[float], tried_on: Sequence[Trial]) -> set[str]:
    """The samples whose right and wrong answers have different values."""
    of = {(trial.sample.id, trial.what): value for trial, value in zip(tried_on, values, strict=True)}
    ids = {trial.sample.id for trial in tried_on}
    return {name for name in ids if of[name, RIGHT] != of[name, WRONG] and math.isfinite(of[name, RIGHT])}


def _add_totals(found: Findings, rewards: int) -> None:
    """The weighted sums, and a warning for questions that they cannot teach."""
    found.totals = [math.nan] * len(found.trials)
    if not found.trials or len(found.rewards) < rewards:
        return
    found.totals = [sum(one.weight * one.values[i] for one in found.rewards) for i in range(len(found.trials))]
    told = telling(found.totals, found.trials)
    blind = sorted({trial.sample.question_type for trial in found.trials if trial.sample.id not in told})
    if blind and not found.problems:
        found.warnings.append(f"the whole reward is the same for right and wrong answers: it cannot teach "
                              f"{', '.join(blind)}")


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None

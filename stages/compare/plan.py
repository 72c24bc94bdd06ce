"""What a comparison will run: every recipe's config, its steps within the equal budget of generated rollouts, seeds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strive.configs.errors import UsageError
from strive.configs.load import SECTIONS, nearest
from strive.configs.render import one_line
from strive.configs.schema import Config
from strive.stages.compare.recipes import Asked, Layers, resolve
from strive.stages.compare.results import Arm
from strive.stages.train.plan import pointless

FOLLOWS = ("frame_pairing", "time_text", "prompt_format")
"""Keys of eval that take the value of the same key of train: a policy is measured the way it was trained."""
EQUAL = ("extract", "demo", "eval")
"""Sections that must be the same in all recipes; score may differ, since evaluations use the reference's."""
USED = 0.97
"""Share of the budget below which a recipe is warned about."""


@dataclass(frozen=True)
class Entry:
    """One arm with its config, in which steps, evaluations and threads are set; the seed is not."""

    arm: Arm
    config: Config
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """A comparison before it runs.

    budget: generated rollouts of a run. reference: config whose score and variants are those of all evaluations (the
    importance view, the variants on which answers should agree). rounds: groups to roll out of each question for the
    zero-variance share at the base policy, 0 for none.
    """

    entries: list[Entry]
    seeds: list[int]
    baseline: str
    budget: int
    reference: Config
    rounds: int
    warnings: tuple[str, ...]

    @property
    def base(self) -> Entry:
        """The baseline's entry."""
        return next(entry for entry in self.entries if entry.arm.name == self.baseline)


def make_plan(asked: Sequence[Asked], layers: Layers, seeds: list[int], *, baseline: str | None = None,
              points: int = 4, rounds: int = 0) -> Plan:
    """The plan; `UsageError` for recipes that cannot be compared. Nothing is read but configs."""
    chosen = choose_baseline([one.name for one in asked], baseline)
    found = {one.name: resolve(one, layers) for one in asked}
    configs = {name: one.config for name, one in found.items()}
    for name, config in configs.items():
        refuse_unequal(name, config, chosen, configs[chosen])
    budget = configs[chosen].train.steps * generated_per_step(configs[chosen])
    entries = [Entry(arm_of(name, config, configs[chosen], budget), config, found[name].sources)
               for name, config in configs.items()]
    entries = [Entry(one.arm, prepared(one, points), one.sources) for one in entries]
    measured = next(entry.config for entry in entries if entry.arm.name == chosen)
    return Plan(entries, seeds, chosen, budget, reference(layers, measured), rounds,
                tuple(warnings(entries, seeds, budget)))


def choose_baseline(names: Sequence[str], wanted: str | None) -> str:
    """The one asked for, else grpo, else the first."""
    if wanted is not None and wanted not in names:
        raise UsageError(f"--baseline {wanted}: not among the recipes", f"one of {', '.join(names)}",
                         nearest(wanted, names).replace("See `strive config show`.", "Name it as you typed it."))
    return wanted or ("grpo" if "grpo" in names else names[0])


def read_seeds(text: str) -> list[int]:
    """N as 0 … N − 1, and A:B as A … B − 1."""
    match = re.fullmatch(r"(?:(\d+):)?(\d+)", text.strip())
    start, stop = (int(match[1] or 0), int(match[2])) if match else (0, 0)
    if stop <= start:
        raise UsageError(f"--seeds {text}: no seeds", "a number of seeds, such as 5, or a range, such as 3:8",
                         "Give --seeds 5.")
    return list(range(start, stop))


def refuse_unequal(name: str, config: Config, baseline: str, wanted: Config) -> None:
    """`UsageError` naming the keys that would make a comparison one of something else than training."""
    mine, other = flat(config), flat(wanted)
    differ = [key for key in mine if is_common(key) and mine[key] != other[key]]
    if differ:
        shown = "; ".join(f"{key}: {one_line(other[key])} -> {one_line(mine[key])}" for key in differ[:4])
        raise UsageError(f"recipe {name} differs from {baseline} in what must be the same: {shown}",
                         "the same model, frames and evaluation for all recipes",
                         "Give these keys with --set, which holds for all of them.")


def is_common(key: str) -> bool:
    """Whether a dotted key must be the same in all recipes."""
    section, _, name = key.partition(".")
    return key == "model" or (section in EQUAL and not (section == "eval" and name in FOLLOWS))


def flat(config: Config) -> dict[str, Any]:
    """All values by dotted key, as plain JSON."""
    dumped = config.model_dump(mode="json")
    return {"model": dumped["model"], **{f"{s}.{key}": value for s in SECTIONS for key, value in dumped[s].items()}}


def generated_per_step(config: Config) -> int:
    """Rollouts that a step generates, those that nothing is trained on included."""
    return config.train.prompts_per_step * (config.train.rollouts + config.train.contrast_rollouts)


def arm_of(name: str, config: Config, baseline: Config, budget: int) -> Arm:
    """The recipe with as many whole steps as the budget holds."""
    each = generated_per_step(config)
    steps = budget // each
    if steps < 1:
        raise UsageError(f"recipe {name}: one step generates {each} rollouts, the whole budget is {budget}",
                         "a budget of at least one step", "Raise train.steps with --set.")
    other = flat(baseline)
    settings = {key: value for key, value in flat(config).items()
                if value != other[key] and key != "train.steps" and not is_common(key)}
    train = config.train
    return Arm(name, settings, steps, steps * each, steps * train.prompts_per_step * train.rollouts,
               config.variants.count, train.rollouts // config.variants.count)


def prepared(entry: Entry, points: int) -> Config:
    """The config of the arm's runs: its steps, `points` evaluations spread over them, the last one at the end."""
    config, steps = entry.config, entry.arm.steps
    train: dict[str, Any] = {"steps": steps, "eval_every": -(-steps // points), "threads": config.train.threads or 1}
    if "train.trackers" not in entry.sources:
        train["trackers"] = ()
    measured = {key: getattr(config.train, key) for key in FOLLOWS} | {"sampler": "uniform"}
    return changed(changed(config, "train", train), "eval", measured)


def changed(config: Config, section: str, values: Mapping[str, Any]) -> Config:
    """A config with other values in one section, which are known to be valid."""
    return config.model_copy(update={section: getattr(config, section).model_copy(update=dict(values))})


def reference(layers: Layers, baseline: Config) -> Config:
    """Score and variants of the recipe `strive`, everything else as the baseline has it."""
    found = resolve(Asked("strive", "strive", None, ()), layers).config
    return baseline.model_copy(update={"score": found.score, "variants": found.variants})


def warnings(entries: Sequence[Entry], seeds: Sequence[int], budget: int) -> list[str]:
    """What is allowed and should be known."""
    found = ["one seed: nothing is known about what another seed would give; no intervals"] if len(seeds) < 2 else []
    for entry in entries:
        arm, train = entry.arm, entry.config.train
        if arm.generated < USED * budget:
            found.append(f"{arm.name} generates {arm.generated} rollouts, {arm.generated / budget:.1%} of the budget: "
                         f"{arm.steps} whole steps are the most that fit")
        if train.zero_std == "resample" or train.pass_rate is not None:
            key = "zero_std=resample" if train.zero_std == "resample" else "pass_rate"
            found.append(f"{arm.name}: train.{key} generates rollouts beyond the budget; the comparison is not equal")
        found += [f"{arm.name}: {text}" for text in pointless(entry.config)]
    return found + twins(entries)


def twins(entries: Sequence[Entry]) -> list[str]:
    """Recipes that turn out to be one and the same."""
    seen: dict[str, str] = {}
    found = []
    for entry in entries:
        text = one_line(flat(entry.config))
        if text in seen:
            found.append(f"{seen[text]} and {entry.arm.name} have the same settings")
        seen.setdefault(text, entry.arm.name)
    return found


def plan_lines(plan: Plan) -> list[str]:
    """The plan for people."""
    runs = len(plan.entries) * len(plan.seeds)
    lines = [f"compare  {len(plan.entries)} recipes x {len(plan.seeds)} seeds = {runs} runs, baseline {plan.baseline}, "
             f"{plan.budget} generated rollouts each"]
    for entry in plan.entries:
        arm, train = entry.arm, entry.config.train
        extra = f" + {train.contrast_rollouts} contrast" if train.contrast_rollouts else ""
        lines.append(f"  {arm.name}: {arm.steps} steps x {train.prompts_per_step} questions x ({arm.variants} x "
                     f"{arm.generations}{extra}) = {arm.generated} generated, {arm.trained} trained")
        lines += [f"      {key}={one_line(value)}" for key, value in sorted(arm.settings.items())]
    every = plan.base.config.train.eval_every
    lines.append(f"  measured on held-out questions: uniform view each {every} steps; uniform and importance view, and "
                 "agreement over variants, at the end; the base policy once")
    if plan.rounds:
        lines.append(f"  groups at the base policy: {plan.rounds} of each training question and recipe")
    return [*lines, *(f"  warning: {text}" for text in plan.warnings)]

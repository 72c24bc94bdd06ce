"""Which questions are worth training on: each one's accuracy under the initial policy, measured before the first step.

    RUN/pass_rates.jsonl   a row a question: {"id", "rate", "rollouts", "variants"}, or {"id", "rate": null, "reason"}

Questions that the policy always or never answers give groups of equal reward; training leaves them out, as LongVILA-R1
does (arXiv 2507.07966: each question is rolled out, all-right and all-wrong ones are dropped). Rates are measured once
a run, with draws of their own; a measurement that was stopped goes on where it was.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strive.cache.ledger import read_jsonl
from strive.configs.errors import StoppedError
from strive.configs.run_stages import TrainConfig
from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.engine.rollout import Example, Generates, Row, roll_out
from strive.stages.train.questions.asking import Asking, RollsOut, Survey, in_batches
from strive.stages.train.questions.usable import Finds

if TYPE_CHECKING:
    from strive.stages.reporter import Reporter
    from strive.stages.train.reward.rewards import Scored
    from strive.stages.train.run_folder import RunFolder
    from strive.stages.train.signals import Stop

FILE = "pass_rates.jsonl"
Rates = dict[str, dict[str, Any]]
"""The ledger's rows by question id."""


def measure(engine: RollsOut, examples: Finds, ids: Collection[str], config: TrainConfig, run_folder: "RunFolder",
            score: "Callable[[Row], Scored]", reporter: "Reporter", stop: "Stop",
            ranks: Ranks | None = None) -> dict[str, float]:
    """Mean accuracy in [0, 1] by id over `pass_rate_rollouts` rollouts of each question; the policy stays as it is.

    Works through the sorted ids in batches of `prompts_per_step` and writes each down before the next; what the run
    folder holds already is not rolled out again. A question that cannot be rolled out has no rate (`left_out` says
    why). With several processes each takes its share of a batch and the first one writes. Raises `InterruptedRun`
    between batches when it is time to stop.
    """
    asking = Asking("pass rate", engine, examples, reporter)

    def answer(names: Sequence[str]) -> list[dict[str, Any]]:
        rows, reasons = asking.rows(names, lambda usable: rolled_out(engine, usable, config))
        return rated(names, rows, reasons, score)

    survey = Survey("pass rate", ("pass rates", "questions"), run_folder.root / FILE, run_folder, reporter, stop,
                    ranks or Ranks())
    return measured(survey.ask(in_batches(sorted(ids), config.prompts_per_step), answer, lambda row: str(row["id"])))


def rated(names: Sequence[str], rows: Sequence[Row], reasons: Mapping[str, str],
          score: "Callable[[Row], Scored]") -> list[dict[str, Any]]:
    """The ledger's rows of these questions, in their order."""
    hits: dict[str, list[float]] = {}
    variants: dict[str, int] = {}
    for row in rows:
        hits.setdefault(row.sample_id, []).append(score(row).accuracy)
        variants[row.sample_id] = row.variant_id + 1
    return [{"id": name, "rate": None, "reason": reasons[name]} if name in reasons else
            {"id": name, "rate": fsum(hits[name]) / len(hits[name]), "rollouts": len(hits[name]),
             "variants": variants[name]} for name in names]


def rolled_out(engine: Generates, examples: Sequence[Example], config: TrainConfig) -> list[Row]:
    """`pass_rate_rollouts` rows for each example, ordered by example, variant and generation.

    Split evenly over the variants as in training; where that does not divide, all on variant 0, the canonical view.
    Draws depend on run seed, question and variant alone.
    """
    rollouts, shares = config.pass_rate_rollouts, []
    for one in examples:
        shown = len(one.views) if rollouts % len(one.views) == 0 else 1
        shares.append([rollouts // shown] * shown)
    return roll_out(engine, examples, shares, (config.seed, "train", "pass_rate"))


def read_rates(ledger: Path) -> Rates:
    """The ledger's rows by id, {} when there is none."""
    return {row["id"]: row for row in read_jsonl(ledger)}


def measured(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The rates of a ledger's rows by id, without the questions that have none."""
    return {name: row["rate"] for name, row in rows.items() if row["rate"] is not None}


def left_out(run_folder: "RunFolder") -> dict[str, str]:
    """Id -> reason of the questions that could not be rolled out."""
    rows = read_rates(run_folder.root / FILE)
    return {name: row["reason"] for name, row in rows.items() if row["rate"] is None}


def keep(rates: Mapping[str, float], interval: tuple[float, float]) -> list[str]:
    """The ids with low < rate < high, sorted: the ends are out."""
    low, high = interval
    return sorted(name for name, rate in rates.items() if low < rate < high)


def check_kept(rates: Mapping[str, float], interval: tuple[float, float], needed: int) -> list[str]:
    """What `keep` keeps; `StoppedError` with the spread of the rates when that is fewer than `needed`."""
    kept = keep(rates, interval)
    if len(kept) < needed:
        raise StoppedError(
            f"train.pass_rate: {summary(rates, interval)}",
            f"at least train.prompts_per_step = {needed} questions to train on",
            "Use another --run with a wider train.pass_rate, more train.pass_rate_rollouts or fewer "
            "train.prompts_per_step, or add questions that the model sometimes gets right.")
    return kept


def summary(rates: Mapping[str, float], interval: tuple[float, float]) -> str:
    """How the rates lie, and how many questions are kept."""
    always, never = sum(rate >= 1 for rate in rates.values()), sum(rate <= 0 for rate in rates.values())
    return (f"of {len(rates)} questions {always} always right, {never} never right, {len(rates) - always - never} "
            f"between; {len(keep(rates, interval))} kept (accuracy above {interval[0]:g} and below {interval[1]:g})")


def plan_lines(config: TrainConfig, run: Path, usable: int, force: bool = False) -> list[str]:
    """What the filter will do, or did, in the words of the plan; nothing without `train.pass_rate`."""
    if config.pass_rate is None:
        return []
    rows = {} if force else read_rates(run / FILE)
    if rows and len(rows) >= usable:
        return [f"          pass rate: {summary(measured(rows), config.pass_rate)}"]
    low, high = config.pass_rate
    done = f" ({len(rows)} questions done)" if rows else ""
    return [f"          pass rate: {usable} questions x {config.pass_rate_rollouts} rollouts before the first step"
            f"{done}; kept with accuracy above {low:g} and below {high:g}"]

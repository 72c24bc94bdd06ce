"""Which questions are worth training on: each one's accuracy under the initial policy, measured before the first step.

    RUN/pass_rates.jsonl   a row a question: {"id", "rate", "rollouts", "variants"}, or {"id", "rate": null, "reason"}

Questions that the policy always or never answers give groups of equal reward; training leaves them out, as LongVILA-R1
does (arXiv 2507.07966: each question is rolled out, all-right and all-wrong ones are dropped). Rates are measured once
a run, with draws of their own; a measurement that was stopped goes on where it was.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from strive.cache.atomic import write_json
from strive.cache.ledger import append_line, read_jsonl
from strive.configs.errors import InterruptedRun, StoppedError
from strive.configs.run_stages import TrainConfig
from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.engine.rollout import Example, Generates, Row
from strive.stages.train.questions.order import derive_seed
from strive.stages.train.questions.usable import Finds, read_usable

if TYPE_CHECKING:
    from strive.stages.reporter import Reporter
    from strive.stages.train.reward.rewards import Scored
    from strive.stages.train.run_folder import RunFolder
    from strive.stages.train.signals import Stop
    from strive.stages.vlm.interface import Completion

FILE = "pass_rates.jsonl"
Rates = dict[str, dict[str, Any]]
"""The ledger's rows by question id."""


class RollsOut(Generates, Protocol):
    """The part of an engine that is needed here."""

    def shrink(self) -> None:
        """Use about half the memory from now on."""


def measure(engine: RollsOut, examples: Finds, ids: Collection[str], config: TrainConfig, run_folder: "RunFolder",
            score: "Callable[[Row], Scored]", reporter: "Reporter", stop: "Stop",
            ranks: Ranks | None = None) -> dict[str, float]:
    """Mean accuracy in [0, 1] by id over `pass_rate_rollouts` rollouts of each question; the policy stays as it is.

    Works through the sorted ids in batches of `prompts_per_step` and writes each down before the next; what the run
    folder holds already is not rolled out again. A question that cannot be rolled out has no rate (`left_out` says
    why). With several processes each takes its share of a batch and the first one writes. Raises `InterruptedRun`
    between batches when it is time to stop.
    """
    ranks, ledger, names = ranks or Ranks(), run_folder.root / FILE, sorted(ids)
    known: Rates = ranks.gather(read_rates(ledger))[0]
    asking = Asking(engine, examples, config, score, reporter)
    for start in range(0, len(names), config.prompts_per_step):
        batch = names[start : start + config.prompts_per_step]
        if all(name in known for name in batch):
            continue
        check_stop(stop, ranks, run_folder, f"pass rates of {len(known)} of {len(names)} questions are kept")
        if ranks.is_first:
            write_json(run_folder.last_item, {"step": 0, "samples": batch})
        # A batch cut short by a kill is rolled out whole again: its completions then have the same neighbours.
        made = ranks.gather(asking.rows([batch[place] for place in ranks.share(len(batch))]))
        fresh = {row["id"]: row for part in made for row in part if row["id"] not in known}
        for name in batch:
            if name in fresh and ranks.is_first:
                append_line(ledger, json.dumps(fresh[name], ensure_ascii=False, allow_nan=False))
        known |= fresh
        failed = len(known) - len(measured(known))
        reporter.progress("pass rate", len(known) - failed, len(names), failed)
    run_folder.last_item.unlink(missing_ok=True)
    ranks.barrier()  # from here on every process may read the whole ledger
    return measured({name: known[name] for name in names})


@dataclass
class Asking:
    """Rolls batches of questions out and scores them; `shrunk` once memory was short."""

    engine: RollsOut
    examples: Finds
    config: TrainConfig
    score: "Callable[[Row], Scored]"
    reporter: "Reporter"
    shrunk: bool = False

    def rows(self, batch: Sequence[str]) -> list[dict[str, Any]]:
        """The ledger's rows of these questions, in their order."""
        usable, reasons = read_usable(self.examples, batch)
        rates: dict[str, list[float]] = {}
        variants: dict[str, int] = {}
        for row in self._rolled_out(list(usable.values()), reasons):
            rates.setdefault(row.sample_id, []).append(self.score(row).accuracy)
            variants[row.sample_id] = row.variant_id + 1
        return [{"id": name, "rate": None, "reason": reasons[name]} if name in reasons else
                {"id": name, "rate": fsum(rates[name]) / len(rates[name]), "rollouts": len(rates[name]),
                 "variants": variants[name]} for name in batch]

    def _rolled_out(self, examples: list[Example], reasons: dict[str, str]) -> list[Row]:
        """The rollouts; the largest questions go into `reasons` until the others fit into memory."""
        import torch

        from strive.stages.train.engine import memory

        while examples:
            try:
                with torch.no_grad(), torch.random.fork_rng():
                    return roll_out(self.engine, examples, self.config)
            except (RuntimeError, MemoryError) as error:
                if not memory.is_out_of_memory(error):
                    raise
            memory.give_back()
            if self.shrunk:
                name, reasons[name] = memory.largest(examples)
                examples = [one for one in examples if one.sample.id != name]
            else:
                self.engine.shrink()
                self.shrunk = True
                self.reporter.warn("pass rate: out of memory; from now on half the tokens a forward")
        return []


def roll_out(engine: Generates, examples: Sequence[Example], config: TrainConfig) -> list[Row]:
    """`pass_rate_rollouts` rows for each example, ordered by example, variant and generation.

    Split evenly over the variants as in training; where that does not divide, all on variant 0, the canonical view.
    Draws depend on run seed, question and variant alone.
    """
    rollouts = config.pass_rate_rollouts
    shown = [len(one.views) if rollouts % len(one.views) == 0 else 1 for one in examples]
    made: dict[tuple[int, int], list[Completion]] = {}
    for variants in sorted(set(shown)):
        places = [(i, k) for i, count in enumerate(shown) if count == variants for k in range(count)]
        seeds = [derive_seed(config.seed, "train", "pass_rate", examples[i].sample.id, k) for i, k in places]
        views = [examples[i].views[k] for i, k in places]
        made.update(zip(places, engine.rollout(views, rollouts // variants, seeds), strict=True))
    return [Row(examples[i], k, g, completion) for i, k in sorted(made) for g, completion in enumerate(made[i, k])]


def check_stop(stop: "Stop", ranks: Ranks, run_folder: "RunFolder", kept: str) -> None:
    """Raise `InterruptedRun` in every process when one of them is asked to stop."""
    code = int(ranks.max(stop.code or 0))
    if code:
        run_folder.last_item.unlink(missing_ok=True)
        stop.check(kept)
        raise InterruptedRun(f"another process was asked to stop; {kept}", code)


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

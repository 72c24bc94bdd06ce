"""One step: draw questions, roll out, score, normalise over all processes, update; again with less when memory ends."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from strive.cache.atomic import write_json
from strive.configs.errors import StoppedError
from strive.configs.run_stages import TrainConfig
from strive.stages.tasks.prompt import PromptFormat
from strive.stages.train import limits, snapshot
from strive.stages.train.engine import memory
from strive.stages.train.engine.interface import Engine, Update
from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.engine.rollout import Example, Row, collect, collect_contrast
from strive.stages.train.engine.split import annealed
from strive.stages.train.metrics import Spent, metrics_row, notable_rollouts
from strive.stages.train.objective.advantages import Advantages, compute, teaches
from strive.stages.train.questions.examples import Examples
from strive.stages.train.questions.order import Mixture, derive_seed
from strive.stages.train.questions.usable import read_usable
from strive.stages.train.records import Collected, Prompted, Record, gathered, prompted, record_of
from strive.stages.train.reward.group_rewards import GroupRewards
from strive.stages.train.reward.rewards import RewardSet, Scored
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.scoring import add_group_rewards, score_rows

if TYPE_CHECKING:
    from strive.stages.reporter import Reporter
    from strive.stages.vlm.policy import Policy


@dataclass
class RolledOut:
    """A step's rollouts in this process."""

    rows: list[Row] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    prompts: list[Prompted] = field(default_factory=list)
    batches: int = 0


@dataclass
class Stepper:
    """What steps need, and what they leave: `rollouts`, lines for the ledger; `gap` and `drawn`, the last questions, of
    the newest step."""

    config: TrainConfig
    run: RunFolder
    mixture: Mixture
    policy: "Policy"
    engine: Engine
    examples: Examples
    prompt: PromptFormat
    rewards: RewardSet
    group_rewards: GroupRewards
    reporter: "Reporter"
    state: snapshot.State
    ranks: Ranks = field(default_factory=Ranks)
    gap: float = 0.0
    rollouts: list[str] = field(default_factory=list)
    drawn: list[Example] = field(default_factory=list)

    def step(self, last_good: str) -> dict[str, Any]:
        """One step; returns its row of metrics.

        What does not fit into memory is tried again with less (`memory.py`); the gradients of the try are discarded.
        Several processes cannot agree on that in the middle of a sum: there it ends the run.
        """
        began, calls = time.perf_counter(), self.policy.encoder_calls
        position = self.position
        for attempt in range(memory.ATTEMPTS):
            self.engine.forget()
            self.state.position = position
            try:
                return self._attempt(began, calls)
            except (RuntimeError, MemoryError) as error:
                if not memory.is_out_of_memory(error):
                    raise
                if self.ranks.world > 1:
                    raise self._out_of_memory("once", last_good) from error
            self._make_room(attempt)
        raise self._out_of_memory(f"{memory.ATTEMPTS} times", last_good)

    def _out_of_memory(self, times: str, last_good: str) -> StoppedError:
        return StoppedError(f"step {self.state.step + 1}: out of memory {times}", "a step that fits",
                            f"{last_good} Lower train.tokens_per_microbatch, train.max_pixels or frames.")

    @property
    def position(self) -> int:
        """Where the stream of questions goes on."""
        state = self.state
        return state.position if state.position >= 0 else state.step * self.config.prompts_per_step

    def _attempt(self, began: float, calls: int) -> dict[str, Any]:
        done, found, flat = self._roll_out()
        advantages = self._advantages(found, flat)
        rolled = time.perf_counter()
        own = Advantages(advantages.values[found.own], advantages.counted[found.own], advantages.stats)
        update = self.engine.update(done.rows, own, self.state.step)
        updated = time.perf_counter()
        self._count(found, update)
        self._note(list(notable_rollouts(self.state.step, done.rows, done.scored, own.values)))
        spent = Spent(rolled - began, updated - rolled, time.perf_counter() - began,
                      int(self.ranks.sum([self.policy.encoder_calls - calls])[0]))
        row = metrics_row(self.state.step, found, advantages, update, spent)
        return row | ({"batches_tried": done.batches} if self.config.zero_std == "resample" else {})

    def reward_failures(self) -> dict[str, dict[str, int]]:
        """Replies without a finite number so far, by reward and kind."""
        return {**self.rewards.failures(), **self.group_rewards.failures()}

    def _roll_out(self) -> tuple[RolledOut, Collected, set[int]]:
        """The step's rollouts, all processes' records, and the places of groups that do not count.

        `zero_std: resample` draws batches until `prompts_per_step` groups have two different rewards; what is beyond
        that, in the order of drawing, does not count either.
        """
        done, wanted = RolledOut(), self.config.prompts_per_step
        while True:
            self._roll_out_batch(done)
            found = gathered(done.records, done.prompts, self.ranks)
            if self.config.zero_std != "resample":
                return done, found, set()
            groups = {place: [found.records[i] for i in rows] for place, rows in found.groups().items()}
            good = [place for place, records in sorted(groups.items()) if self._teaches(records)]
            if len(good) >= wanted or done.batches >= self.config.resample_batches:
                break
        if not good:
            self._note(list(notable_rollouts(self.state.step + 1, done.rows, done.scored, np.zeros(len(done.rows)))))
            raise limits.no_variance(done.batches, len(groups), self.state.step + 1)
        if len(good) < wanted:
            self.reporter.warn(f"step {self.state.step + 1}: only {len(good)} of {len(groups)} groups in "
                               f"{done.batches} batches had two different rewards; it goes on with these")
        return done, found, set(groups) - set(good[:wanted])

    def _teaches(self, records: Sequence[Record]) -> bool:
        """Whether a group's rewards differ where they are compared; a KL charge differs always, so it does not count.
        """
        scored = [r for r in records if math.isfinite(r.earned)]
        return teaches([r.earned for r in scored], [r.variant_id for r in scored], self.config)

    def _roll_out_batch(self, done: RolledOut) -> None:
        """Draw the next questions, and add this process's share of their rollouts."""
        before = done.batches * self.config.prompts_per_step
        examples = self._draw_usable(before)
        seed = derive_seed(self.config.seed, "train", "rollout", self.state.step, *([done.batches] * (before > 0)))
        rows, contrast = self._generate(examples, seed)
        scored = score_rows(rows, self.prompt, self.rewards)
        beside = score_rows(contrast, self.prompt, self.rewards)
        scored = add_group_rewards(rows, scored, contrast, beside, self.group_rewards)
        for text in (*self.rewards.take_warnings(), *self.group_rewards.take_warnings()):
            self.reporter.warn(f"step {self.state.step + 1}: {text}")
        in_reward = self.config.kl_beta > 0 and self.config.kl_in == "reward"
        charges = self.engine.reference_kl(rows) if in_reward else [0.0] * len(rows)
        done.records += [record_of(row, one, kl, self.config.kl_beta)
                         for row, one, kl in zip(rows, scored, charges, strict=True)]
        done.prompts += [prompted(place, example, rows, contrast, beside) for place, example in examples]
        done.rows, done.scored = done.rows + rows, done.scored + scored
        done.batches += 1

    def _generate(self, examples: Sequence[tuple[int, Example]], seed: int) -> tuple[list[Row], list[Row]]:
        """The rows to train on, and those on contrast views."""
        config, shown = self.config, [example for _, example in examples]
        place_of = {example.sample.id: place for place, example in examples}
        shares = None if config.anneal == "none" else [
            annealed(config.rollouts, len(one.views), config, self.state.step, one.sample.id) for one in shown]
        rows = collect(self.engine, shown, config.rollouts, seed, shares)
        beside = config.contrast_rollouts
        contrast = collect_contrast(self.engine, shown, beside, seed) if beside else []
        return [replace(row, place=place_of[row.sample_id]) for row in rows], contrast

    def _draw_usable(self, before: int) -> list[tuple[int, Example]]:
        """The next batch that has a usable question; `StoppedError` when as many as there are questions have none."""
        tries = sum(len(source.ids) for source in self.mixture.sources) // self.config.prompts_per_step + 1
        for _ in range(tries):
            found = self._draw(before)
            if self.ranks.any(bool(found)):
                self.drawn = [example for _, example in found]
                return found
        name, reason = next(iter(self.state.failed.items()), ("", ""))
        raise StoppedError(f"step {self.state.step + 1}: no question can be used ({name}: {reason})", "at least one",
                           "Mend the data or the limits named.")

    def _draw(self, before: int) -> list[tuple[int, Example]]:
        """This process's questions of the next batch with their places; the unusable are listed, the others go on."""
        drawn = self.mixture.take(self.position, self.config.prompts_per_step)
        self.state.position = self.position + self.config.prompts_per_step
        if self.ranks.is_first:
            write_json(self.run.last_item, {"step": self.state.step + 1, "samples": drawn})
        usable = [(before + i, name) for i, name in enumerate(drawn) if name not in self.state.failed]
        own = [usable[i] for i in self.ranks.share(len(usable))]
        examples, reasons = read_usable(self.examples, [name for _, name in own])
        found = [(place, examples[name]) for place, name in own if name in examples]
        for name, reason in (pair for part in self.ranks.gather(reasons) for pair in part.items()):
            self._leave_out(name, reason)
        return found

    def _advantages(self, found: Collected, left_aside: set[int]) -> Advantages:
        """Over the rollouts of all processes; groups left aside do not count."""
        records = found.records
        made = compute([r.reward for r in records], [r.place for r in records], [r.variant_id for r in records],
                       self.config, [r.accuracy for r in records])
        if self.config.kl_beta > 0 and self.config.kl_in == "reward":  # charges always differ
            flat = {place for place, rows in found.groups().items() if not self._teaches([records[i] for i in rows])}
            earned = compute([r.earned for r in records], [r.place for r in records], [r.variant_id for r in records],
                             self.config).stats
            made.stats.update({name: earned[name] for name in ("frac_zero_std", "frac_zero_std_per_variant")})
            left_aside = left_aside | flat if self.config.zero_std != "keep" else left_aside
        if not left_aside:
            return made
        counted = made.counted & np.array([r.place not in left_aside for r in records])
        return replace(made, values=np.where(counted, made.values, 0.0), counted=counted)

    def _note(self, notable: list[dict[str, Any]]) -> None:
        """Keep the lines of all processes for the ledger, and show the best reply."""
        lines = [line for part in self.ranks.gather(notable) for line in part]
        self.rollouts += [json.dumps(line, ensure_ascii=False, allow_nan=False) for line in lines]
        best = max((line for line in lines if line["rank"] == "best"), key=lambda line: line["reward"], default=None)
        if best is not None:
            self.reporter.rollout(best)

    def _count(self, found: Collected, update: Update) -> None:
        state = self.state
        state.step += 1
        state.rollouts += len(found.records)
        state.bad_rewards += sum(bool(r.bad) for r in found.records)
        for name in sorted({name for r in found.records for name in r.bad}):
            self.reporter.warn(f"step {state.step}: reward {name} gave no finite number for "
                               f"{sum(name in r.bad for r in found.records)} of {len(found.records)} rollouts")
        state.bad_steps = 0 if update.applied else state.bad_steps + 1
        state.skipped_steps += not update.applied
        self.gap = update.gap_mean

    def _make_room(self, attempt: int) -> None:
        """Half the tokens a forward the first time; after that the largest question is left out for good."""
        self.engine.shrink()
        memory.give_back()
        if attempt == 0:
            self.reporter.warn(f"step {self.state.step + 1}: out of memory; from now on half the tokens a forward")
            return
        if self.drawn:
            self._leave_out(*memory.largest(self.drawn))

    def _leave_out(self, sample_id: str, reason: str) -> None:
        """List a question as failed: it is not drawn into a step again."""
        self.state.failed[sample_id] = reason
        self.reporter.warn(f"{sample_id}: {reason}; left out")

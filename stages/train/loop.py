"""The training loop: draw a batch, roll out, reward, normalise, update, write down, checkpoint; stop when asked."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from strive.cache.atomic import write_bytes, write_json
from strive.cache.ledger import append_line
from strive.configs.errors import ItemError, StoppedError
from strive.configs.run_stages import TrainConfig
from strive.stages.tasks.prompt import PromptFormat
from strive.stages.train import checkpoint, memory, snapshot
from strive.stages.train.advantages import compute
from strive.stages.train.board import Board
from strive.stages.train.examples import Examples
from strive.stages.train.job import Evaluate
from strive.stages.train.metrics import Spent, metrics_row, notable_rollouts
from strive.stages.train.optimizer import Optimizer
from strive.stages.train.order import batch_at, derive_seed
from strive.stages.train.rewards import Scored, score
from strive.stages.train.rollout import Example, Row, collect
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.signals import Stop
from strive.stages.train.step import Engine, Update

if TYPE_CHECKING:
    from strive.stages.reporter import Reporter
    from strive.stages.vlm.policy import Policy

BAD_STEPS = 3
"""Non-finite steps in a row after which the run stops."""
ENOUGH_ROLLOUTS = 100
"""Rollouts before the share of unscorable ones is judged."""
WIDEST_GAP = 1.0
"""Mean |log-prob in training - when sampled|, nats, above which the two cannot be seeing the same tokens."""


@dataclass
class Loop:
    """Everything a run needs; `state` says how far it is."""

    config: TrainConfig
    run: RunFolder
    ids: Sequence[str]
    policy: "Policy"
    optimizer: Optimizer
    engine: Engine
    examples: Examples
    prompt: PromptFormat
    reporter: "Reporter"
    stop: Stop
    evaluate: Evaluate | None = None
    state: snapshot.State = field(default_factory=snapshot.State)
    last_gap: float = 0.0
    unwritten: list[str] = field(default_factory=list)

    def go(self, board: Board) -> None:
        """Step until `train.steps` are done; on a signal or the time limit save and raise `InterruptedRun`."""
        while self.state.step < self.config.steps:
            if self.stop.code is not None:
                self._interrupt()
            row = self.step()
            row.update(self._evaluation())
            append_line(self.run.metrics, json.dumps(row, allow_nan=False))
            board.write(row)
            self.reporter.metrics(row)
            self.reporter.progress("train", self.state.step, self.config.steps, len(self.state.failed))
            self._judge()
            if self.state.step % self.config.checkpoint_every == 0 or self.state.step == self.config.steps:
                self.save()

    def step(self) -> dict[str, Any]:
        """One step; returns its row of metrics and keeps its rollouts for the ledger.

        What does not fit into memory is tried again with less (`memory.py`); the gradients of the try are discarded.
        """
        began, calls = time.perf_counter(), self.policy.encoder_calls
        for attempt in range(memory.ATTEMPTS):
            examples = self._draw(self.state.step)
            try:
                return self._attempt(examples, began, calls)
            except RuntimeError as error:
                if not memory.is_out_of_memory(error):
                    raise
            self._make_room(examples, attempt)
        raise StoppedError(f"step {self.state.step + 1}: out of memory {memory.ATTEMPTS} times", "a step that fits",
                           f"{self.last_good()} Lower train.tokens_per_microbatch, train.max_pixels or frames.")

    def _attempt(self, examples: Sequence[Example], began: float, calls: int) -> dict[str, Any]:
        self.engine.forget()
        number = self.state.step
        seed = derive_seed(self.config.seed, "train", "rollout", number)
        rows = collect(self.engine, examples, self.config.rollouts, seed)
        scored = [self._score(row) for row in rows]
        advantages = compute([s.total for s in scored], [row.sample_id for row in rows],
                             [row.variant_id for row in rows], self.config, [s.accuracy for s in scored])
        rolled = time.perf_counter()
        update = self.engine.update(rows, advantages, number)
        updated = time.perf_counter()
        self._count(scored, update)
        self.unwritten += [json.dumps(line, ensure_ascii=False, allow_nan=False)
                           for line in notable_rollouts(self.state.step, rows, scored, advantages)]
        spent = Spent(rolled - began, updated - rolled, time.perf_counter() - began, self.policy.encoder_calls - calls)
        return metrics_row(self.state.step, examples, rows, scored, advantages, update, spent)

    def save(self) -> None:
        """Write a checkpoint of the state as it is; older ones go once it has been read back."""
        self.write_rollouts()
        files = snapshot.take(self.policy, self.optimizer, self.state)
        checkpoint.publish(self.run.checkpoints, self.state.step, files)
        checkpoint.prune(self.run.checkpoints, self.config.checkpoint_every, self.config.keep_checkpoints)

    def _make_room(self, examples: Sequence[Example], attempt: int) -> None:
        """Half the tokens a forward the first time; after that the largest question is left out for good."""
        self.optimizer.discard()
        memory.give_back()
        if attempt == 0:
            self.engine.shrink()
            self.reporter.warn(f"step {self.state.step + 1}: out of memory; from now on half the tokens a forward")
            return
        self._leave_out(*memory.largest(examples))

    def _leave_out(self, sample_id: str, reason: str) -> None:
        """List a question as failed: it is not drawn into a step again."""
        self.state.failed[sample_id] = reason
        self.reporter.warn(f"{sample_id}: {reason}; left out")

    def _draw(self, number: int) -> list[Example]:
        """The step's examples; one that cannot be used is listed with its reason, the others go on."""
        drawn = batch_at(self.ids, number, self.config.prompts_per_step, self.config.seed)
        write_json(self.run.last_item, {"step": number + 1, "samples": drawn})
        found: list[Example] = []
        for sample_id in drawn:
            if sample_id in self.state.failed:
                continue
            try:
                found.append(self.examples.get(sample_id))
            except ItemError as error:
                self._leave_out(sample_id, error.what)
            except RuntimeError as error:
                if not memory.is_out_of_memory(error):
                    raise
                memory.give_back()
                self._leave_out(sample_id, "out of memory while its variants were encoded")
        if not found:
            raise StoppedError(f"step {number + 1}: none of its {len(drawn)} questions can be used ({drawn[0]}: "
                               f"{self.state.failed[drawn[0]]})", "at least one", "Mend the data or the limits named.")
        return found

    def _score(self, row: Row) -> Scored:
        reply = self.prompt.parse(row.completion.text, truncated=not row.completion.finished)
        return score(row.example.sample, reply, self.config.rewards)

    def _count(self, scored: Sequence[Scored], update: Update) -> None:
        self.state.step += 1
        self.state.rollouts += len(scored)
        self.state.bad_rewards += sum(bool(s.bad) for s in scored)
        for name in sorted({name for s in scored for name in s.bad}):
            self.reporter.warn(f"step {self.state.step}: reward {name} gave no finite number for "
                               f"{sum(name in s.bad for s in scored)} of {len(scored)} rollouts")
        self.state.bad_steps = 0 if update.applied else self.state.bad_steps + 1
        self.state.skipped_steps += not update.applied
        self.last_gap = update.gap_mean

    def _judge(self) -> None:
        """Stop what cannot get better by going on; the ledgers already hold the step."""
        state = self.state
        if state.bad_steps >= BAD_STEPS:
            raise StoppedError(f"step {state.step}: loss or gradients were not finite {BAD_STEPS} times in a row",
                               "finite numbers", f"{self.last_good()} Lower train.learning_rate or train.grad_clip.")
        share = state.bad_rewards / max(state.rollouts, 1)
        if state.rollouts >= ENOUGH_ROLLOUTS and share > self.config.max_bad_rewards:
            raise StoppedError(f"step {state.step}: {state.bad_rewards} of {state.rollouts} rollouts have no reward",
                               f"at most train.max_bad_rewards = {self.config.max_bad_rewards:g} of them",
                               f"{self.last_good()} Mend the reward named in the warnings.")
        if self.last_gap > WIDEST_GAP:
            raise StoppedError(f"step {state.step}: log-probs in rollout and training differ by {self.last_gap:.2f} "
                               "nats a token", f"less than {WIDEST_GAP:g}", "Please report it: they should be equal.")

    def _evaluation(self) -> dict[str, Any]:
        """`eval_*` figures when they are due; the best policy so far goes to `best/`."""
        every = self.config.eval_every
        due = self.state.step == self.config.steps or (every > 0 and self.state.step % every == 0)
        if self.evaluate is None or not due:
            return {}
        with torch.random.fork_rng():
            figures = dict(self.evaluate(self.policy, self.state.step))
        for one in figures.get("failed", ()):
            self.state.eval_failed.setdefault(one["id"], one["reason"])
        if figures.get("accuracy") is None:
            self.reporter.warn(f"step {self.state.step}: the evaluation has no accuracy to choose a best policy by")
            return {}
        accuracy = float(figures["accuracy"])
        if self.state.best_score is None or accuracy > self.state.best_score:
            self.state.best_step, self.state.best_score = self.state.step, accuracy
            self.policy.save(self.run.best)
            write_json(self.run.best_record, {"step": self.state.step, "accuracy": accuracy})
        return {f"eval_{name}": value for name, value in figures.items() if isinstance(value, int | float)}

    def _interrupt(self) -> None:
        there = {c.step for c in checkpoint.found(self.run.checkpoints)}
        if self.state.step and self.state.step not in there:
            self.save()
        self.run.last_item.unlink(missing_ok=True)
        self.stop.check(f"{self.state.step} of {self.config.steps} steps are kept")

    def last_good(self) -> str:
        """Names the checkpoint to go back to."""
        there = checkpoint.found(self.run.checkpoints)
        return f"The last good checkpoint is {there[0].path}." if there else "There is no checkpoint yet."

    def write_rollouts(self) -> None:
        """Put the rollouts kept back so far into the ledger: one write a checkpoint instead of a sync for each line.

        What a kill loses of them would be dropped and made again by the resume anyway.
        """
        if self.unwritten:
            before = self.run.rollouts.read_bytes() if self.run.rollouts.is_file() else b""
            text = "".join(f"{line}\n" for line in self.unwritten)
            write_bytes(self.run.rollouts, before + text.encode("utf-8", "surrogatepass"))
            self.unwritten.clear()

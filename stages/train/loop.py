"""The training loop: step, write down, evaluate, checkpoint; stop when asked or when going on is of no use."""

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from strive.cache.atomic import write_bytes, write_json
from strive.cache.ledger import append_line
from strive.configs.errors import InterruptedRun
from strive.configs.run_stages import TrainConfig
from strive.stages.train import checkpoint, snapshot
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.job import Evaluate
from strive.stages.train.limits import judge
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.signals import Stop
from strive.stages.train.stepping import Stepper
from strive.stages.train.trackers import Tracker

if TYPE_CHECKING:
    from strive.stages.reporter import Reporter
    from strive.stages.vlm.policy import Policy


FLUSH_S = 30.0
"""Seconds after which rollouts are written down without waiting for a checkpoint."""


@dataclass
class Loop:
    """Everything a run needs; `stepper.state` says how far it is. With several processes the first one writes."""

    config: TrainConfig
    run: RunFolder
    policy: "Policy"
    optimizer: Optimizer
    stepper: Stepper
    reporter: "Reporter"
    stop: Stop
    evaluate: Evaluate | None = None
    flushed: float = field(default_factory=time.monotonic)

    @property
    def state(self) -> snapshot.State:
        """How far the run is."""
        return self.stepper.state

    def go(self, tracker: Tracker) -> None:
        """Step until `train.steps` are done; on a signal or the time limit save and raise `InterruptedRun`."""
        self.reporter.progress("train", self.state.step, self.config.steps, len(self.state.failed))
        while self.state.step < self.config.steps:
            self._stop_if_asked()
            row = self.stepper.step(self.last_good())
            row.update(self._evaluation())
            if self.stepper.ranks.is_first:
                append_line(self.run.metrics, json.dumps(row, allow_nan=False))
                tracker.write(row)
            if time.monotonic() - self.flushed > FLUSH_S:
                self.write_rollouts()
            self.reporter.metrics(row)
            self.reporter.progress("train", self.state.step, self.config.steps, len(self.state.failed))
            judge(self.state, self.stepper.gap, self.config, self.last_good(), self.stepper.reward_failures())
            if self.state.step % self.config.checkpoint_every == 0 or self.state.step == self.config.steps:
                self.save()

    def save(self) -> None:
        """Write a checkpoint of the state as it is; older ones go once it has been read back."""
        if self.stepper.ranks.is_first:
            self.write_rollouts()
            files = snapshot.take(self.policy, self.optimizer, self.state)
            checkpoint.publish(self.run.checkpoints, self.state.step, files)
            checkpoint.prune(self.run.checkpoints, self.config.checkpoint_every, self.config.keep_checkpoints)
        self.stepper.ranks.barrier()

    def last_good(self) -> str:
        """Names the checkpoint to go back to."""
        there = checkpoint.found(self.run.checkpoints)
        return f"The last good checkpoint is {there[0].path}." if there else "There is no checkpoint yet."

    def write_rollouts(self) -> None:
        """Put the rollouts kept back so far into the ledger: now and then instead of a sync for each line.

        What a kill loses of them would be dropped and made again by the resume anyway.
        """
        self.flushed = time.monotonic()
        if self.stepper.rollouts and self.stepper.ranks.is_first:
            before = self.run.rollouts.read_bytes() if self.run.rollouts.is_file() else b""
            text = "".join(f"{line}\n" for line in self.stepper.rollouts)
            write_bytes(self.run.rollouts, before + text.encode("utf-8", "surrogatepass"))
            self.stepper.rollouts.clear()

    def _evaluation(self) -> dict[str, Any]:
        """`eval_*` figures when they are due; the best policy so far goes to `best/`. The first process measures."""
        every, ranks = self.config.eval_every, self.stepper.ranks
        due = self.state.step == self.config.steps or (every > 0 and self.state.step % every == 0)
        if self.evaluate is None or not due:
            return {}
        figures = self._measured() if ranks.is_first else {}
        ranks.barrier()
        return figures

    def _measured(self) -> dict[str, Any]:
        assert self.evaluate is not None
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

    def _stop_if_asked(self) -> None:
        """Save and raise in every process when one of them has been asked to stop."""
        code = int(self.stepper.ranks.max(float(self.stop.code or 0)))
        if not code:
            return
        there = {c.step for c in checkpoint.found(self.run.checkpoints)}
        if self.state.step and self.state.step not in there:
            self.save()
        self.run.last_item.unlink(missing_ok=True)
        kept = f"{self.state.step} of {self.config.steps} steps are kept"
        self.stop.check(kept)
        raise InterruptedRun(f"another process was asked to stop; {kept}", code)

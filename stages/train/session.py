"""From a checked job to a finished run: load the policy, find where to go on, loop, publish."""

from collections.abc import Mapping
from typing import Any

import torch

from strive.cache.atomic import write_json
from strive.cache.digest import digest_file
from strive.cache.store import Artefact
from strive.configs.errors import StriveError, VerificationError
from strive.stages.train import checkpoint, snapshot
from strive.stages.train.assembly import assemble, choose_questions, load
from strive.stages.train.job import TrainJob, TrainOutcome
from strive.stages.train.loop import Loop
from strive.stages.train.questions.order import derive_seed
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.signals import Stop
from strive.stages.train.threads import repeatable
from strive.stages.train.trackers import open_trackers
from strive.stages.vlm.load import choose_device
from strive.stages.vlm.save import save_adapter


def carry_out(job: TrainJob, run: RunFolder, bundles: Mapping[str, Artefact],
              record: Mapping[str, Any]) -> TrainOutcome:
    """Train under the run's lock. `record` holds the thread count to use."""
    device = choose_device(job.config.train.device).type
    with repeatable(record["train"]["threads"], device), Stop(job.max_time_s, job.spent_s) as stop:
        policy = load(job, trainable=True)
        torch.manual_seed(derive_seed(job.config.train.seed, "train", "global"))
        stop.check("nothing was started")
        loop, skipped = assemble(job, run, bundles, policy, stop)
        torn = begin(job, run, record) if job.ranks.is_first else []
        job.ranks.barrier()
        ids = set(bundles) - set(skipped)
        skipped |= choose_questions(loop, job, ids)  # before a checkpoint is loaded: the initial policy is measured
        resumed = go_back(loop, torn)
        measure_anew(loop, job)
        if job.ranks.is_first:
            run.rewind(loop.state.step)
        before = loop.state.step
        names = job.config.train.trackers if job.ranks.is_first else ()
        try:
            with open_trackers(names, run, job.config, before, job.reporter) as tracker:
                loop.go(tracker)
        except StriveError:
            run.last_item.unlink(missing_ok=True)  # it ended by itself: nothing was in hand
            raise
        finally:
            loop.write_rollouts()
            loop.stepper.rewards.close()
            loop.stepper.group_rewards.close()
        return finish(loop, skipped, loop.state.step - before, resumed)


def begin(job: TrainJob, run: RunFolder, record: Mapping[str, Any]) -> list[str]:
    """Make the folder ready; returns the names of checkpoints that a killed process left torn."""
    if job.force:
        run.clear()
    torn = run.tidy()
    if in_hand := run.in_flight():
        job.reporter.info(f"train: the last process was killed in {in_hand}")
    run.start(record, job.config, job.sources)
    return torn


def go_back(loop: Loop, torn: list[str]) -> int | None:
    """Load the newest checkpoint whose bytes are right and say so; returns its step, None for a fresh start."""
    if torn:
        loop.reporter.warn(f"swept {', '.join(torn)}: not complete, the run was stopped while writing")
    there = checkpoint.found(loop.run.checkpoints)
    damaged: VerificationError | None = None
    for candidate in there:
        try:
            candidate.verify()
        except VerificationError as error:
            loop.reporter.warn(f"{error.what}; trying the checkpoint before it")
            damaged = damaged or error
            continue
        loop.stepper.state = snapshot.put_back(loop.policy, loop.optimizer, candidate)
        loop.reporter.info(f"train: goes on after step {loop.state.step} ({candidate.path.name})")
        return loop.state.step
    if damaged is not None:
        raise damaged
    return None


def measure_anew(loop: Loop, job: TrainJob) -> None:
    """Forget the best score when the evaluation is another one: the two cannot be compared."""
    state = loop.state
    if job.evaluate is None or state.eval_digest == job.eval_digest:
        return
    if state.best_score is not None:
        loop.reporter.warn(f"the evaluation data or settings are not those of before: the best policy (step "
                           f"{state.best_step}, accuracy {state.best_score:g}) gives way to the next one measured")
    state.best_step, state.best_score, state.eval_failed, state.eval_digest = None, None, {}, job.eval_digest


def finish(loop: Loop, skipped: Mapping[str, str], taken: int, resumed: int | None) -> TrainOutcome:
    """Publish the policy, then the results that name it."""
    run, state = loop.run, loop.state
    if loop.stepper.ranks.is_first:
        run.results.unlink(missing_ok=True)
        loop.policy.save(run.policy)
        if loop.config.lora_rank > 0:
            save_adapter(loop.policy.model, run.adapter)
    failed = [{"id": name, "reason": reason} for name, reason in sorted({**skipped, **state.failed}.items())]
    failed += [{"id": name, "reason": f"eval: {reason}"} for name, reason in sorted(state.eval_failed.items())]
    last = run.last_metrics()
    if loop.stepper.ranks.is_first:
        write_json(run.results, {
            "step": state.step, "metrics": last, "failed": failed, "skipped_steps": state.skipped_steps,
            "bad_rewards": state.bad_rewards, "best_step": state.best_step, "best_accuracy": state.best_score,
            "policy": digest_file(run.policy / "manifest.json"),
        })
        run.last_item.unlink(missing_ok=True)
    loop.stepper.ranks.barrier()
    return TrainOutcome(taken, state.step, resumed, last, failed, run.policy, run.best if run.best.is_dir() else None)

"""From a checked job to a finished run: load the policy, find where to go on, loop, publish."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from strive.cache.atomic import write_json
from strive.cache.digest import digest_file
from strive.cache.store import Artefact
from strive.configs.errors import VerificationError
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train import checkpoint, snapshot
from strive.stages.train.board import board
from strive.stages.train.engine import PrefixEngine
from strive.stages.train.examples import Examples
from strive.stages.train.job import TrainJob, TrainOutcome
from strive.stages.train.loop import Loop
from strive.stages.train.optimizer import Optimizer
from strive.stages.train.order import derive_seed
from strive.stages.train.prompt_plan import cannot_be_too_long, too_long
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.signals import Stop
from strive.stages.train.stage import check_count
from strive.stages.train.step import Reference
from strive.stages.train.threads import repeatable
from strive.stages.vlm.load import choose_device, load_policy
from strive.stages.vlm.save import save_adapter

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy


def carry_out(job: TrainJob, run: RunFolder, bundles: Mapping[str, Artefact],
              record: Mapping[str, Any]) -> TrainOutcome:
    """Train under the run's lock. `record` holds the thread count to use."""
    device = choose_device(job.config.train.device).type
    with repeatable(record["train"]["threads"], device), Stop(job.max_time_s, job.spent_s) as stop:
        policy = load(job, trainable=True)
        torch.manual_seed(derive_seed(job.config.train.seed, "train", "global"))
        stop.check("nothing was started")
        loop, skipped = assemble(job, run, bundles, policy, stop)
        if job.force:
            run.clear()
        torn = run.tidy()
        if in_hand := run.in_flight():
            job.reporter.info(f"train: the last process was killed in {in_hand}")
        run.start(record, job.config, job.sources)
        resumed = go_back(loop, torn)
        measure_anew(loop, job)
        run.rewind(loop.state.step)
        before = loop.state.step
        try:
            with board(run.board, before, job.reporter) as shown:
                loop.go(shown)
        finally:
            loop.write_rollouts()
        return finish(loop, skipped, loop.state.step - before, resumed)


def load(job: TrainJob, trainable: bool) -> "Policy":
    """The policy to train, or with `trainable=False` the same weights frozen."""
    config = job.config.train
    return load_policy(job.model, device=config.device, dtype=config.dtype, max_pixels=config.max_pixels,
                       min_pixels=config.min_pixels, trainable=trainable, freeze_vision=config.freeze_vision,
                       lora_rank=config.lora_rank if trainable else 0, seed=config.seed)


def assemble(job: TrainJob, run: RunFolder, bundles: Mapping[str, Artefact], policy: "Policy",
             stop: Stop) -> tuple[Loop, dict[str, str]]:
    """The loop with everything in it, and the samples whose prompts are too long."""
    config, prompt = job.config.train, PROMPT_FORMATS[job.config.train.prompt_format]
    limit = config.max_prompt_tokens
    within = cannot_be_too_long(policy, job.config.variants.frames, limit)
    skipped = {} if within else too_long(policy, bundles, prompt, limit)
    if skipped:
        job.reporter.plan([f"train: {len(skipped)} of {len(bundles)} samples are left out (prompts longer than "
                           f"train.max_prompt_tokens = {limit})"])
    ids = sorted(set(bundles) - set(skipped))
    check_count(len(ids), config.prompts_per_step)
    optimizer = Optimizer(policy.model.named_parameters(), config)
    engine = PrefixEngine(policy, optimizer, config, reference_of(job, policy) if config.kl_beta > 0 else None)
    return Loop(config, run, ids, policy, optimizer, engine, Examples(policy, bundles, prompt, config), prompt,
                job.reporter, stop, job.evaluate), skipped


def reference_of(job: TrainJob, policy: "Policy") -> Reference:
    """The initial policy: this one with its adapter off, or a frozen second copy; loaded only when kl_beta > 0."""
    frozen = None if job.config.train.lora_rank > 0 else load(job, trainable=False)

    @contextmanager
    def reference() -> Iterator["Policy"]:
        if frozen is not None:
            yield frozen
            return
        with policy.model.disable_adapter():
            yield policy

    return reference


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
        loop.state = snapshot.put_back(loop.policy, loop.optimizer, candidate)
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
    run.results.unlink(missing_ok=True)
    loop.policy.save(run.policy)
    if loop.config.lora_rank > 0:
        save_adapter(loop.policy.model, run.adapter)
    failed = [{"id": name, "reason": reason} for name, reason in sorted({**skipped, **state.failed}.items())]
    failed += [{"id": name, "reason": f"eval: {reason}"} for name, reason in sorted(state.eval_failed.items())]
    last = run.last_metrics()
    write_json(run.results, {
        "step": state.step, "metrics": last, "failed": failed, "skipped_steps": state.skipped_steps,
        "bad_rewards": state.bad_rewards, "best_step": state.best_step, "best_accuracy": state.best_score,
        "policy": digest_file(run.policy / "manifest.json"),
    })
    run.last_item.unlink(missing_ok=True)
    return TrainOutcome(taken, state.step, resumed, last, failed, run.policy, run.best if run.best.is_dir() else None)

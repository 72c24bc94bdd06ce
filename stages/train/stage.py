"""`train(job)`: checks the job against the run folder, then trains, resumes, or says that there is nothing to do.

Everything up to the decision to train works without torch, so that a finished run answers at once.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from strive.cache.digest import digest_json
from strive.cache.key import library_series
from strive.cache.lock import hold
from strive.cache.store import Artefact
from strive.configs.errors import MissingError, UsageError
from strive.stages.tasks.plugins import plugin_identity
from strive.stages.tasks.prompt import format_named
from strive.stages.train import threads
from strive.stages.train.engine.split import per_variant
from strive.stages.train.job import BUNDLE_FILE, TrainJob, TrainOutcome
from strive.stages.train.objective.advantage_check import check_advantages
from strive.stages.train.objective.names import check_loss
from strive.stages.train.questions.sources import describe_sources
from strive.stages.train.reward.group_rewards import check_group_rewards
from strive.stages.train.reward.rewards import check_names
from strive.stages.train.run_folder import FORMAT, RunFolder, refuse_changes
from strive.stages.train.trackers import check_trackers
from strive.stages.vlm.resolve import model_identity

UPSTREAM = ("extract", "score", "variants")
VERIFY_BYTES = 4 << 30
"""Bundles of up to this size together are all verified before the model loads; of more, each at its first use."""


def train(job: TrainJob) -> TrainOutcome:
    """Train `job.run` to `train.steps`, going on from its newest checkpoint.

    Raises UsageError (2) for a wrong setting or one that differs from the run's, StoppedError (4) for training that
    cannot go on, MissingError (5) for too few bundles or weights that can't be had, VerificationError (6) for damaged
    bundles or checkpoints, LockedError (7) when the run is in use, InterruptedRun (130, 143) when asked to stop. With
    `job.force` the old run goes only once the new one is ready to step: what raises before that deletes nothing.
    """
    check_settings(job)
    bundles = dict(job.bundles)
    check_count(len(bundles), job.config.train.prompts_per_step)
    run = RunFolder(job.run)
    run.refuse_other_kinds()
    with hold(run.lock, timeout_s=0) if job.ranks.is_first else nullcontext():
        if job.force:
            refuse_own_model(job)
        past = None if job.force else run.read_record()
        record = describe(job, bundles, past)
        if past is not None:
            refuse_changes(run, past, record)
            done = nothing_to_do(job, run)
            if done is not None:
                return done
            warn_of_libraries(job, past, record)
        job.ranks.barrier()  # what stood in the folder has been read by all before the first one writes
        verify(bundles)
        from strive.stages.train.session import carry_out

        return carry_out(job, run, bundles, record)


def check_settings(job: TrainJob) -> None:
    """`UsageError` for what the schema cannot see, `MissingError` for a package that the settings need."""
    train_config = job.config.train
    check_names(train_config.rewards)
    check_loss(train_config.loss)
    format_named(train_config.prompt_format)
    check_trackers(train_config.trackers)
    check_processes(job)
    check_contrast(job)
    check_group_rewards(job.config)
    variants = job.config.variants.count
    each = per_variant(train_config.rollouts, variants, "variants.count")
    check_advantages(train_config, variants, each)
    if train_config.optimizer == "adamw_8bit" and find_spec("bitsandbytes") is None:
        raise MissingError("train.optimizer = adamw_8bit needs bitsandbytes, which is not installed", "bitsandbytes",
                           "Run: pip install strive[8bit]")
    if train_config.lora_rank > 0 and find_spec("peft") is None:
        raise MissingError(f"train.lora_rank = {train_config.lora_rank} needs peft, which is not installed", "peft",
                           "Run: pip install strive[lora]")


def check_contrast(job: TrainJob) -> None:
    """`UsageError` when rollouts on contrast views and the views do not go together."""
    views, rollouts = len(job.config.variants.contrast), job.config.train.contrast_rollouts
    if rollouts and not views:
        raise UsageError(f"train.contrast_rollouts = {rollouts} without a contrast view", "variants.contrast",
                         "Set variants.contrast=[shuffle] or train.contrast_rollouts=0.")
    if rollouts % max(views, 1):
        raise UsageError(f"train.contrast_rollouts = {rollouts} over {views} contrast views", "a multiple of the views",
                         f"Set train.contrast_rollouts={views * max(1, rollouts // views)}.")


def check_processes(job: TrainJob) -> None:
    """`UsageError` when a step has fewer questions than there are processes."""
    questions, world = job.config.train.prompts_per_step, job.ranks.world
    if questions < world:
        raise UsageError(f"train.prompts_per_step = {questions} over {world} processes",
                         "at least one question a step for each process",
                         f"Set train.prompts_per_step={world} or start fewer processes.")


def refuse_own_model(job: TrainJob) -> None:
    """`UsageError` when starting over would delete the weights to start from."""
    folder = Path(job.model).expanduser().resolve()
    if folder.is_dir() and folder.is_relative_to(job.run.resolve()):
        raise UsageError(f"--force clears {job.run}, and the model {folder} lies inside it",
                         "a model outside the run folder", "Use another --run folder, or copy the model elsewhere.")


def check_count(count: int, needed: int) -> None:
    """`MissingError` when the usable bundles do not fill one step."""
    if count < needed:
        raise MissingError(f"{count} usable bundles", f"at least train.prompts_per_step = {needed}",
                           "Add samples, see what failed (`strive status variants --failed`), or lower "
                           "train.prompts_per_step.")


def describe(job: TrainJob, bundles: Mapping[str, Artefact], past: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the run is: everything that its weights depend on, and nothing else."""
    settings = job.config.train.result_keys()
    settings["threads"] = threads.chosen(settings["threads"], past["train"]["threads"] if past else None)
    return {
        "format": FORMAT, "train": settings, "model": model_identity(job.model),
        "data": digest_json(sorted([name, artefact.digest] for name, artefact in bundles.items())),
        "samples": len(bundles),
        "upstream": {f"{stage}.{key}": value for stage in UPSTREAM
                     for key, value in getattr(job.config, stage).result_keys().items()},
        "libraries": library_series("torch", "transformers"),
        **own_code(job), **describe_sources(job.data),
    }


def refuse_early(job: TrainJob) -> None:
    """`UsageError` for settings that differ from the run's, before anything is planned or made; data and weights are
    compared once they are there."""
    run = RunFolder(job.run)
    past = None if job.force else run.read_record()
    if past is None:
        return
    kept = {name: value for name, value in past.items() if name != "own_code"}
    settings = job.config.train.result_keys()
    settings["threads"] = threads.chosen(settings["threads"], past["train"]["threads"])
    refuse_changes(run, past, {**kept, "train": settings, **own_code(job)})


def own_code(job: TrainJob) -> dict[str, Any]:
    """Digests of the user's own rewards and prompt format, {} without any."""
    settings = job.config.train
    found = plugin_identity([*settings.rewards, *settings.group_rewards, settings.prompt_format],
                            "train.rewards, train.group_rewards, train.prompt_format")
    return {"own_code": found} if found else {}


def nothing_to_do(job: TrainJob, run: RunFolder) -> TrainOutcome | None:
    """The outcome of a run that has all its steps, else None."""
    results = run.finished()
    if results is None or results["step"] < job.config.train.steps:
        return None
    return TrainOutcome(0, results["step"], results["step"], results["metrics"], results["failed"], run.policy,
                        run.best if run.best.is_dir() else None)


def warn_of_libraries(job: TrainJob, past: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Other library versions train on, but no longer bit for bit."""
    changed = [f"{name} {old} -> {record['libraries'].get(name)}" for name, old in past["libraries"].items()
               if record["libraries"].get(name) != old]
    if changed:
        job.reporter.warn(f"the run began with other versions ({', '.join(changed)}): it goes on, not bit for bit")


def verify(bundles: Mapping[str, Artefact]) -> None:
    """`VerificationError` for the first bundle whose bytes are not those that were written."""
    if sum(artefact.size_bytes for artefact in bundles.values()) <= VERIFY_BYTES:
        for artefact in bundles.values():
            artefact.file(BUNDLE_FILE)

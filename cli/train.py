"""`strive train`: bundles if they are missing, then reinforcement learning, resumed by the same command."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strive.cache.runs import record_run
from strive.cli.data_files import Upstream, data_files
from strive.cli.options import Common, common
from strive.cli.output import duration, number
from strive.cli.page import run_page
from strive.cli.session import Session, open_session, plan_of_data
from strive.cli.train_check import try_rewards
from strive.configs.errors import StriveError, UsageError

if TYPE_CHECKING:
    from strive.stages.eval.benchmarks.data import BenchData
    from strive.stages.train.job import TrainJob, TrainOutcome

EXAMPLES = (
    "Examples: strive train --data train.jsonl --videos videos/ --model Qwen/Qwen2.5-VL-3B-Instruct --run runs/strive"
    " · strive train --data train.jsonl --videos videos/ --model demo --preset demo --recipe grpo --run runs/grpo"
    " --eval-data eval.jsonl --max-time 8h"
    " · strive train --data a.jsonl --data b.jsonl=2 --videos videos/ --model demo --run runs/mixed"
)

DATA_HELP = ("Dataset file; repeatable. =WEIGHT (default 1) is its relative share of the questions drawn. "
             "--limit counts in each file.")
VIDEOS_HELP = "Folder of the videos: one for all --data, or one for each in their order; default: the file's."


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(run))


def run(
    options: Common,
    data: Annotated[list[str] | None, typer.Option("--data", metavar="FILE[=WEIGHT]", help=DATA_HELP)] = None,
    folder: Annotated[Path | None, typer.Option("--run", help="Run folder; the same folder goes on with it.")] = None,
    videos: Annotated[list[Path] | None, typer.Option("--videos", metavar="DIR", help=VIDEOS_HELP)] = None,
    model: Annotated[str | None, typer.Option("--model", help="Hugging Face id, folder, run folder, or demo.")] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="strive, grpo, …")] = "strive",
    eval_data: Annotated[Path | None, typer.Option("--eval-data", help="Dataset to measure on.")] = None,
    eval_videos: Annotated[Path | None, typer.Option("--eval-videos", help="Its videos.")] = None,
    max_time: Annotated[str | None, typer.Option("--max-time", help="Save and stop then: 90s, 30m, 8h.")] = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Allow links among the videos.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Try rewards and prompt format, then stop: no model.")] = False,
) -> None:
    """Train a policy; RUN/policy is an ordinary Hugging Face folder."""
    files = data_files(data or (), videos or ())
    if check:
        return try_rewards(options, recipe, [file.path for file in files])
    if not files or folder is None:
        raise UsageError(f"train: no {'--run' if files else '--data'}", "--data FILE and --run DIR",
                         "See `strive train --help`.")
    started, limit = time.monotonic(), seconds(max_time) if max_time else None
    from strive.stages.train.engine.ranks import joined

    ranks = joined()  # under torchrun: the first process makes the bundles, talks and writes
    if not ranks.is_first:
        options = replace(options, quiet=True, json=False)
    session = open_session("train", options, recipe=recipe, flags={"model": model})
    config = session.resolved.config
    if not config.model:
        raise UsageError("train: no model", "--model with a Hugging Face id, a folder, a run folder or demo",
                         "Try --model demo --preset demo.")
    shared = videos[0] if videos and len(videos) == 1 else None
    held_out = eval_questions(eval_data, eval_videos or shared, follow_links)
    upstream = Upstream(session, files, follow_links)
    from strive.stages.train.job import TrainJob
    from strive.stages.train.questions.sources import check_shares
    from strive.stages.train.stage import check_settings, refuse_early, refuse_own_model
    from strive.stages.vlm.resolve import resolve_model

    job = TrainJob(config, folder.absolute(), [], config.model, session.out, max_time_s=limit,
                   sources=session.resolved.sources, force=options.force, ranks=ranks)
    check_settings(job)
    refuse_early(job)
    check_shares(upstream.sources(), config.train.prompts_per_step)
    if options.dry_run:
        from strive.stages.train.estimate.model_shape import config_folder

        config_folder(config.model)  # a plan needs no weights
    else:
        resolve_model(config.model)  # hours of decoding should not end with a model that is not there
    if options.force:
        refuse_own_model(job)
    show_plan(session, upstream, job)
    with ranks.first_goes_first():
        bundles, lost = upstream.make()
    record_run(session.store, job.run, [artefact for _, artefact in bundles])  # gc keeps them while the run is there
    with ranks.first_goes_first():
        measured = with_evaluation(session, job, held_out)
    drawn_from = tuple(upstream.sources(dict(bundles))) if len(files) > 1 else ()
    outcome = carry_out(replace(measured, bundles=bundles, data=drawn_from, spent_s=time.monotonic() - started))
    finish(session, job, outcome, lost)


def seconds(text: str) -> float:
    """A time such as 90, 90s, 30m, 8h or 1h30m in seconds; `UsageError` for anything else."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    if not match or not any(match.groups()):
        raise UsageError(f"--max-time {text}: not a time", "90s, 30m, 8h or 1h30m", "Give the time the job may take.")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return float(3600 * hours + 60 * minutes + rest)


def show_plan(session: Session, upstream: Upstream, job: "TrainJob") -> None:
    """Print what will be done; with --dry-run leave."""
    from strive.stages.train.plan import plan_lines
    from strive.stages.train.questions import pass_rate, sources
    from strive.stages.train.stage import check_count
    from strive.stages.train.vision import plan as vision_plan

    plans = upstream.plans()
    usable = plans[-1].total - plans[-1].blocked or upstream.count
    lines = [*plan_of_data(session, plans, upstream.jobs[0])[0], *sources.plan_lines(upstream.sources()),
             *plan_lines(job, usable), *vision_plan.plan_lines(job, upstream.made(), usable, session.store.root),
             *pass_rate.plan_lines(job.config.train, job.run, usable, job.force)]
    check_count(usable, job.config.train.prompts_per_step)
    if session.options.dry_run:
        session.finish(lines=lines, fields={"plan": lines, **estimate_fields(job)}, outputs={"run": job.run})
    session.out.plan(lines)


def estimate_fields(job: "TrainJob") -> dict[str, Any]:
    """What a step will take, for programs; {} where nothing can be said (the plan says why)."""
    from strive.stages.train.estimate.estimate import of_run

    try:
        return {"estimate": of_run(job.config, job.model).to_json()}
    except StriveError:
        return {}


def eval_questions(data: Path | None, videos: Path | None, follow_links: bool) -> "BenchData | None":
    """The questions of `--eval-data`, None without; `UsageError` for a file that cannot be used."""
    if data is None:
        return None
    from strive.stages.eval.benchmarks.data import from_dataset

    questions = from_dataset(data, videos or data.parent, follow_links)
    if not questions.samples:
        raise UsageError(f"{data}: no questions", "at least one", "Check --eval-data.")
    return questions


def with_evaluation(session: Session, job: "TrainJob", questions: "BenchData | None") -> "TrainJob":
    """The job with what measures its policy, the videos decoded now; as it is without `--eval-data`."""
    if questions is None:
        return job
    from strive.cli.session import default_workers
    from strive.stages import registry
    from strive.stages.plan import Job

    videos = {sample.video: questions.video(sample) for sample in questions.samples}
    asked = Job(session.resolved.config, session.store, samples=questions.samples,
                videos=list(videos.values()), reporter=session.out,
                workers=session.options.workers or default_workers())
    found = registry.run("in_training")(asked)
    return replace(job, evaluate=found.evaluate, eval_digest=found.digest)


def carry_out(job: "TrainJob") -> "TrainOutcome":
    """Train; an error says where the run lies."""
    from strive.stages.train.stage import train

    try:
        return train(job)
    except StriveError as error:
        error.fields |= {"outputs": {"run": str(job.run)}}
        raise


def finish(session: Session, job: "TrainJob", outcome: "TrainOutcome", lost: list[dict[str, str]]) -> None:
    """Print the summary and leave; samples that could not be used make the exit code 3."""
    outputs: dict[str, Any] = {"run": job.run, "policy": outcome.policy, "metrics": job.run / "metrics.jsonl"}
    if outcome.best is not None:
        outputs["best"] = outcome.best
    if job.ranks.is_first:
        outputs["report"] = run_page(session, job.run, changed=outcome.steps_done > 0)
    failed = [*lost, *outcome.failed]
    fields = {"step": outcome.step, "resumed_from": outcome.resumed_from, "metrics": outcome.metrics}
    session.finish(done=outcome.steps_done, cached=outcome.resumed_from or 0, failed=failed, outputs=outputs,
                   fields=fields, lines=lines_of(outcome, failed, job))


def lines_of(outcome: "TrainOutcome", failed: list[dict[str, str]], job: "TrainJob") -> list[str]:
    """The result for people."""
    if not outcome.steps_done:
        head = f"train: nothing to do: all {outcome.step} steps are done. Raise train.steps, or --force to start over."
    else:
        begun = f" from step {outcome.resumed_from}" if outcome.resumed_from else ""
        head = f"train: {outcome.steps_done} steps done{begun}, {outcome.step} in all"
    row = outcome.metrics
    names = ("reward_mean", "accuracy", "format_rate", "frac_zero_std", "eval_accuracy")
    figures = [f"{name}={number(row[name])}" for name in names if row.get(name) is not None]
    lines = [head, f"  last step: {'  '.join(figures)}"]
    if outcome.steps_done and row.get("step_s"):
        lines.append(f"  about {duration(row['step_s'])} a step")
    lines += [f"  left out {one['id']}: {one['reason']}" for one in failed[:5]]
    lines += [f"  … and {len(failed) - 5} more"] if len(failed) > 5 else []
    return [*lines, f"  policy: {outcome.policy}", f"  look at: {job.run / 'report.html'}"]

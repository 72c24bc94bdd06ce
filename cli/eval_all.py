"""`strive eval --bench all`: every benchmark that lies in the data folder, a run folder each."""

from pathlib import Path
from typing import Any

from strive.cli.eval_text import conditions, failures, percent, plan_lines, shown_otherwise
from strive.cli.page import run_page
from strive.cli.session import Session
from strive.cli.table import table
from strive.configs.errors import MissingError, StriveError, UsageError


def run_all(session: Session, data: Path, folder: Path) -> None:
    """Measure each in turn into RUN/<benchmark>, then print one table and leave.

    DATA holds a folder a benchmark. One that is not there is named; one that can't be read, or whose run folder is of
    another recipe, fails by itself. Where that is so of every one, the first one's error is raised.
    """
    from strive.cli.eval import job_of, read_data
    from strive.stages.eval.benchmarks import BENCHMARKS

    looked = {name: data / one.folder for name, one in BENCHMARKS.items() if one.folder}
    there = {name: path for name, path in looked.items() if path.is_dir()}
    absent = [name for name in looked if name not in there]
    if not there:
        raise MissingError(f"{data}: none of the folders {', '.join(one.name for one in looked.values())}",
                           "a folder for each benchmark that is to be measured", "See `strive eval --list`.")
    jobs, failed, errors = [], [], []
    for name, path in there.items():
        try:
            jobs.append(job_of(session, *read_data(session, name, path, None, False), folder / name))
        except StriveError as error:
            errors.append(error)
            failed.append({"id": name, "reason": error.what})
    if not jobs:
        raise errors[0]
    plan = [plan_lines(job)[0] for job in jobs] + plan_lines(jobs[0])[1:]
    plan += [f"         can't be read: {one['id']}: {one['reason']}" for one in failed]
    plan += [f"         not there: {', '.join(absent)}"] if absent else []
    if session.options.dry_run:
        session.finish(lines=plan, fields={"plan": plan}, outputs={"run": folder}, failed=failed)
    session.out.plan(plan)
    for text in shown_otherwise(session, session.resolved.config.model):
        session.out.warn(text)
    outcomes = [measured(session, job, failed, errors) for job in jobs]
    if not any(outcomes):
        raise errors[0]
    finish(session, list(zip(jobs, outcomes, strict=True)), absent, failed, folder)


def measured(session: Session, job: Any, failed: list[dict[str, str]], errors: list[StriveError]) -> Any:
    """The outcome of one benchmark; None if it can't be measured, its reason in `failed`, its error in `errors`."""
    from strive.stages.eval.stage import run_eval

    try:
        outcome = run_eval(job)
    except UsageError as error:
        session.out.info(f"{job.bench}: {error.what}")
        errors.append(error)
        failed.append({"id": job.bench, "reason": error.what})
        return None
    failed += [{"id": f"{job.bench}/{one['id']}", "reason": one["reason"]} for one in outcome.failed]
    run_page(session, job.run, changed=outcome.done > 0)
    return outcome


def finish(session: Session, found: list[tuple[Any, Any]], absent: list[str], failed: list[dict[str, str]],
           folder: Path) -> None:
    """One table over the benchmarks, everything the figures depend on above it."""
    done = [(job, outcome) for job, outcome in found if outcome is not None]
    rows = [["benchmark", "n", "accuracy", "± se", "of read", "read", "not counted", "failed"]]
    for job, outcome in done:
        one = outcome.results
        rows.append([job.bench, str(one["n"]), percent(one["accuracy"]), percent(one["se"]),
                     percent(one["accuracy_answered"]), str(one["n_answered"]), str(one["n_rows"] - one["n"]),
                     str(len(outcome.failed))])
    lines = [f"  {conditions(done[0][1].results['recipe'])}"] if done else []
    lines += ["  " + line for line in table(rows, right=(1, 2, 3, 4, 5, 6, 7))]
    lines += [f"  not there: {', '.join(absent)}"] if absent else []
    lines += failures(failed)
    session.finish(
        done=sum(outcome.done for _, outcome in done), cached=sum(outcome.cached for _, outcome in done), failed=failed,
        outputs={"run": folder, **{job.bench: job.run / "results.json" for job, _ in done}},
        fields={"benchmarks": {job.bench: {k: v for k, v in outcome.results.items() if k not in ("failed", "groups")}
                               for job, outcome in done}, "absent": absent},
        lines=["eval: all", *lines, f"  {folder}"],
    )

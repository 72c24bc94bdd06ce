"""`run_compare(job)`: data once, runs side by side in child processes, then the figures and the page.

Every run that is finished stays finished; a killed one goes on from its checkpoint. compare.json is written last.
"""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strive.cache.atomic import write_json
from strive.cache.lock import hold
from strive.cache.store import Store
from strive.configs.errors import StriveError
from strive.stages.compare.gather import gather
from strive.stages.compare.layout import Layout
from strive.stages.compare.material import Material, check, lost_questions, make
from strive.stages.compare.plan import Plan
from strive.stages.compare.record import begin, identity
from strive.stages.compare.results import VIEWS
from strive.stages.compare.schedule import Schedule, make_slots, visible_gpus
from strive.stages.compare.tasks import Task, all_tasks
from strive.stages.reporter import Reporter


@dataclass(frozen=True)
class CompareJob:
    """One comparison. workers: runs at the same time, None to choose by cores and GPUs."""

    plan: Plan
    material: Material
    out: Path
    store: Store
    reporter: Reporter
    workers: int | None = None
    force: bool = False
    fail_fast: bool = False
    views: tuple[str, ...] = VIEWS


@dataclass(frozen=True)
class CompareOutcome:
    """Runs done now and found done; failures as `{"id", "reason"}`; the content of compare.json."""

    done: int
    cached: int
    failed: list[dict[str, str]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)


def run_compare(job: CompareJob) -> CompareOutcome:
    """Do what is left to do of a comparison.

    Raises UsageError (2) for settings that cannot be compared or that differ from the folder's, MissingError (5) for
    data or weights that can't be had, LockedError (7) when another process works in the folder, InterruptedRun (130,
    143) once all runs have stopped.
    """
    layout = Layout(job.out)
    check_arms(job.plan, job.reporter)
    check(job.material)
    with hold(layout.lock, timeout_s=0):
        now = identity(job.plan, job.material)
        if job.force:
            layout.clear()
        begin(layout, now)
        tasks = all_tasks(job.plan, job.material, layout, job.store.root, job.views)
        todo = [task for task in tasks if task.seconds() is None]
        failed = carry_out(job, layout, todo, len(tasks) - len(todo)) if todo else {}
        summary = conclude(job, layout, tasks, failed)
    lost = [{"id": name, "reason": reason} for name, reason in failed.items()]
    return CompareOutcome(len(todo) - len(failed), len(tasks) - len(todo), lost + lost_questions(layout), summary)


def check_arms(plan: Plan, reporter: Reporter) -> None:
    """The errors that each arm's training would end with at once, named with the recipe."""
    from strive.stages.train.job import TrainJob
    from strive.stages.train.stage import check_settings

    for entry in plan.entries:
        try:
            check_settings(TrainJob(entry.config, Path(), [], entry.config.model, reporter))
        except StriveError as error:
            raise type(error)(f"recipe {entry.arm.name}: {error.what}", error.expected, error.do) from error


def carry_out(job: CompareJob, layout: Layout, todo: list[Task], before: int) -> dict[str, str]:
    """Data, then the runs that are not done; the reason of each that failed, by its name."""
    started = time.monotonic()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    make(job.material, job.plan, layout, job.store, job.reporter, min(cores, 8))
    job.reporter.info(f"compare: data ready after {time.monotonic() - started:.0f} s; {len(todo)} runs to go, "
                      f"{before} done before")
    train = job.plan.base.config.train
    slots = make_slots(job.workers, cores, train.threads, visible_gpus(train.device, cuda_devices, os.environ))
    schedule = Schedule(slots, train.threads, job.reporter, job.fail_fast)
    schedule.run(todo, before)
    return schedule.failed


def cuda_devices() -> int:
    """How many GPUs there are for us."""
    import torch

    return torch.cuda.device_count()


def conclude(job: CompareJob, layout: Layout, tasks: list[Task], failed: dict[str, str]) -> dict[str, Any]:
    """The figures as written; the page first, so that compare.json means done."""
    from strive.stages.compare.figures.summary import summarise
    from strive.stages.compare.page.page import write_page

    summary = summarise(gather(job.plan, job.material, layout, tasks, failed))
    if not layout.page.is_file() or without_timing(read(layout)) != without_timing(summary):
        write_page(summary, layout.page)
        write_json(layout.summary, summary)
    return summary


def read(layout: Layout) -> dict[str, Any]:
    """The figures there are, {} without."""
    try:
        return dict(json.loads(layout.summary.read_bytes()))
    except (OSError, ValueError):
        return {}


def without_timing(summary: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the machine's speed."""
    return {key: value for key, value in summary.items() if key != "timing"}

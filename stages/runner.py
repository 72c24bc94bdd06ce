"""The loop around every data stage: what is cached, what is to do, who makes it, what failed and why."""

import time
from collections.abc import Sequence

from strive.configs.errors import InterruptedRun, StoppedError
from strive.stages import registry
from strive.stages.engine import open_engine
from strive.stages.interrupt import stop_flag
from strive.stages.look import look, plan_chain, plan_stage
from strive.stages.outcome import Books, StageOutcome
from strive.stages.plan import Item, Job
from strive.stages.windows import windows

__all__ = ["StageOutcome", "plan_chain", "plan_stage", "run_chain", "run_stage"]


def run_chain(name: str, job: Job) -> dict[str, StageOutcome]:
    """Run a stage after everything upstream of it, window by window; `job.force` applies to the named stage only
    (and, with extract, to the download of its videos).

    Raises `InterruptedRun` on a signal, `StoppedError` with `fail_fast`, errors of the set-up as they are.
    """
    return run_stages(registry.chain(name), job)


def run_stage(name: str, job: Job) -> StageOutcome:
    """Make what is missing of one stage; the results of the stages before it are in the job."""
    return run_stages([name], job)[name]


def run_stages(names: Sequence[str], job: Job) -> dict[str, StageOutcome]:
    """Run these stages, each of which has what it needs from those before or in the job's results."""
    run = Run(names, job)
    try:
        for part, is_last in windows(job):
            for stage in names:
                run.window(stage, part, is_last)
    except (InterruptedRun, StoppedError) as error:
        run.keep_record(job, error)
        raise
    finally:
        run.engine.close()
    job.store.clear_locks()
    return {stage: books.outcome for stage, books in run.books.items()}


class Run:
    """One command's way through the stages and windows of a job."""

    def __init__(self, names: Sequence[str], job: Job) -> None:
        self.forced = registry.forced_with(names[-1]) if job.force else ()
        self.books = {one: Books(registry.stage(one), job.planned.get(one)) for one in names}
        self.engine = open_engine(job)

    def window(self, name: str, job: Job, is_last: bool) -> None:
        """Make what is missing of one stage in one window; the stages before it have been there."""
        books, started = self.books[name], time.monotonic()
        job.results[name] = {}
        try:
            if todo := self.looked(name, job):
                self.make(name, job, todo)
        finally:
            books.outcome.seconds += time.monotonic() - started
        books.remember(job, whole=is_last)

    def keep_record(self, job: Job, error: InterruptedRun | StoppedError) -> None:
        """A run that stops early leaves what its stages did, and tells of the last one that did something."""
        begun = [books for books in self.books.values() if books.outcome.over]
        for books in begun:
            books.remember(job, whole=True)
        if begun:
            out = begun[-1].outcome
            error.fields = {"done": out.done, "cached": out.cached, "failed": out.failed}

    def looked(self, name: str, job: Job) -> list[Item]:
        """The items that are to be made; all others are booked."""
        books, found = self.books[name], look(registry.stage(name), job, is_noted=name not in self.forced)
        if not books.is_counted:
            books.total += sum(map(len, (found.cached, found.todo, found.blocked, found.waiting)))
        for item in (*found.blocked, *found.waiting):
            job.results[name][item.id] = reason = item.blocked or "the stage before gave nothing"
            books.fail(item, reason)
        again = [item for item in found.cached if books.is_new(item)]
        if name in self.forced:
            for item in again:
                job.results[name].pop(item.id, None)  # what is there is about to give way
            return [*again, *found.todo]
        for item in again:
            books.cached(job, item)
        for item in found.todo:
            if item.id in books.reasons:  # failed in an earlier window
                job.results[name][item.id] = books.reasons[item.id]
        return [item for item in found.todo if item.id not in books.reasons]

    def make(self, name: str, job: Job, todo: list[Item]) -> None:
        """Make the items of one stage in one window."""
        stage, books, unique = registry.stage(name), self.books[name], unique_keys(todo)
        job.todo = len(unique)
        with stop_flag() as stop:
            self.engine.make_all(stage, job, unique, name in self.forced,
                                 lambda item, result: books.made(job, item, result), stop)
            self.share(name, job, todo)
            stop.check()

    def share(self, name: str, job: Job, todo: Sequence[Item]) -> None:
        """Give every other item of a key what its first one got."""
        books, results = self.books[name], job.results[name]
        by_key = {item.key: results[item.id] for item in todo if item.id in results}
        for item in todo:
            if item.id in results or item.key not in by_key:
                continue
            results[item.id] = shared = by_key[item.key]
            if isinstance(shared, str):
                books.fail(item, shared)
            else:
                books.outcome.cached += 1
                books.there(item, shared)
                books.note(job, item, shared)


def unique_keys(items: Sequence[Item]) -> list[Item]:
    """The first item of each key: the same bytes under two names are made once."""
    return list({item.key: item for item in reversed(items)}.values())[::-1]

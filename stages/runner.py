"""The loop around every data stage: what is cached, what is to do, who makes it, what failed and why."""

import shlex
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from strive.cache.store import Artefact
from strive.configs.errors import InterruptedRun, ItemError, StoppedError
from strive.stages import registry
from strive.stages.interrupt import StopFlag, stop_flag
from strive.stages.plan import DataStage, Item, Job, Maker, StagePlan

Record = Callable[[Item, Artefact | str | None], None]
"""Books one item's result."""


@dataclass
class StageOutcome:
    """What a stage did: counts, failures as `{"id", "reason"}`, wall seconds."""

    stage: str
    done: int = 0
    cached: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0


def plan_stage(name: str, job: Job) -> StagePlan:
    """The plan of one stage from what lies in the cache now; upstream results are looked up, nothing is made."""
    stage = registry.stage(name)
    for before in stage.upstream:
        if before not in job.results:
            plan_stage(before, job)
    buckets: dict[str, list[Item]] = {"cached": [], "todo": [], "blocked": [], "waiting": []}
    results = job.results.setdefault(name, {})
    for item in stage.items(job):
        found = job.store.find(name, item.key) if item.key else None
        buckets[state_of(item, found)].append(item)
        if item.blocked:
            results[item.id] = item.blocked
        elif found:
            results[item.id] = found
    return StagePlan(
        name,
        registry.UNITS[name],
        cached=tuple(buckets["cached"]),
        todo=tuple(buckets["todo"]),
        blocked=tuple(buckets["blocked"]),
        waiting=tuple(buckets["waiting"]),
        changed=changed_settings(stage, job),
    )


def state_of(item: Item, found: Artefact | None) -> str:
    """The bucket of one item."""
    if item.blocked:
        return "blocked"
    if item.key is None:
        return "waiting"
    return "cached" if found else "todo"


def changed_settings(stage: DataStage, job: Job) -> tuple[str, ...]:
    """Settings that differ from the last run of this stage, as `name old → new`."""
    last = job.store.recall(f"last-run/{stage.name}") or {}
    before, now = last.get("settings") or {}, stage.settings(job.config)
    return tuple(f"{stage.name}.{k} {before[k]} → {now[k]}" for k in sorted(now) if k in before and before[k] != now[k])


def run_chain(name: str, job: Job) -> dict[str, StageOutcome]:
    """Run a stage after everything upstream of it; `--force` applies to the named stage only.

    Raises `InterruptedRun` on a signal, `StoppedError` with `fail_fast`, errors of the set-up as they are.
    """
    force, outcomes = job.force, {}
    for one in registry.chain(name):
        job.force = force and one == name
        outcomes[one] = run_stage(one, job)
    return outcomes


def run_stage(name: str, job: Job) -> StageOutcome:
    """Make what is missing of one stage; the stages before it must have run."""
    started = time.monotonic()
    stage = registry.stage(name)
    job.results.pop(name, None)
    plan = plan_stage(name, job)
    todo = (*plan.cached, *plan.todo) if job.force else plan.todo
    outcome = StageOutcome(name, cached=plan.total - len(todo) - len(plan.blocked) - len(plan.waiting))
    for item in (*plan.blocked, *plan.waiting):
        reason = item.blocked or "the stage before gave nothing"
        job.results[name][item.id] = reason
        outcome.failed.append({"id": item.id, "reason": reason})
    try:
        if todo:
            with stop_flag() as stop, stage.open(job) as maker:
                make_all(stage, maker, job, unique_keys(todo), outcome, stop, outcome.cached)
                copy_to_duplicates(job, name, todo, outcome)
                stop.check()
    except (InterruptedRun, StoppedError) as error:
        error.fields = {"done": outcome.done, "cached": outcome.cached, "failed": outcome.failed}
        raise
    finally:
        outcome.seconds = time.monotonic() - started
        remember(stage, job, outcome, plan)
    return outcome


def unique_keys(items: tuple[Item, ...]) -> list[Item]:
    """The first item of each key: the same bytes under two names are made once."""
    return list({item.key: item for item in reversed(items)}.values())[::-1]


def copy_to_duplicates(job: Job, name: str, todo: tuple[Item, ...], outcome: StageOutcome) -> None:
    """Give every other item of a key what its first one got."""
    results = job.results[name]
    by_key = {item.key: results[item.id] for item in todo if item.id in results}
    for item in todo:
        if item.id in results or item.key not in by_key:
            continue
        results[item.id] = shared = by_key[item.key]
        if isinstance(shared, str):
            outcome.failed.append({"id": item.id, "reason": shared})
        else:
            outcome.cached += 1


def make_all(
    stage: DataStage, maker: Maker, job: Job, todo: list[Item], outcome: StageOutcome, stop: StopFlag, before: int
) -> None:
    """Make items one after the other, or a few at a time when the stage is parallel."""
    total = before + len(todo)
    record = recorder(stage.name, job, outcome, total + len(outcome.failed), before)
    if job.workers <= 1 or not stage.parallel:
        for item in todo:
            if stop.code is None:
                record(item, make_one(stage, maker, job, item))
        return
    pool = ThreadPoolExecutor(job.workers)
    try:
        make_in_pool(pool, stage, maker, job, todo, record, stop)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)  # leaving the stage kills its children, which ends the threads
        raise
    pool.shutdown()


def make_in_pool(
    pool: ThreadPoolExecutor, stage: DataStage, maker: Maker, job: Job, todo: list[Item], record: Record, stop: StopFlag
) -> None:
    """Keep as many items going as there are workers, until none is left or a signal came."""
    going: dict[Future[Artefact | str | None], Item] = {}
    queue = list(reversed(todo))
    while going or (queue and stop.code is None):
        while queue and len(going) < job.workers and stop.code is None:
            item = queue.pop()
            going[pool.submit(make_one, stage, maker, job, item)] = item
        finished, _ = wait(going, return_when=FIRST_COMPLETED)
        for future in finished:
            record(going.pop(future), future.result())


def recorder(name: str, job: Job, outcome: StageOutcome, total: int, before: int) -> Record:
    """A function that books one item's result and shows the progress."""

    def record(item: Item, result: Artefact | str | None) -> None:
        if isinstance(result, str):
            outcome.failed.append({"id": item.id, "reason": result})
            job.results[name][item.id] = result
            if job.fail_fast:
                raise StoppedError(
                    f"{name}: {item.id}: {result}", "no failure (--fail-fast)", "Mend or remove the item."
                )
        elif result is None:
            outcome.cached += 1
            job.results[name][item.id] = found(job, name, item)
        else:
            outcome.done += 1
            job.results[name][item.id] = result
        job.reporter.progress(name, before + outcome.done, total, len(outcome.failed), item.id)

    return record


def found(job: Job, name: str, item: Item) -> Artefact | str:
    """The artefact that another run made while this one waited."""
    return job.store.find(name, item.key or "") or "made by another run and gone again"


def make_one(stage: DataStage, maker: Maker, job: Job, item: Item) -> Artefact | str | None:
    """The new artefact, the reason of a failure, or None when another run made it meanwhile."""
    key = item.key or ""
    started = time.monotonic()
    with job.store.claim(stage.name, key, on_wait=job.reporter.info) as made_meanwhile:
        if made_meanwhile and not job.force:
            return None
        try:
            product = maker.make(item)
        except ItemError as error:
            return str(error)
        for warning in product.warnings:
            job.reporter.warn(f"{item.id}: {warning}")
        return job.store.publish(
            stage.name,
            key,
            product.files,
            {
                "version": stage.version,
                "config": stage.settings(job.config),
                "inputs": input_digests(item),
                "seconds": round(time.monotonic() - started, 3),
                "warnings": list(product.warnings),
                "meta": dict(product.meta),
            },
            replace=job.force,
        )


def input_digests(item: Item) -> list[dict[str, Any]]:
    """The digests of what an item was made from, for its manifest."""
    rows = []
    for name, value in sorted(item.inputs.items()):
        if isinstance(value, Artefact):
            rows.append({"name": name, "stage": value.stage, "digest": value.digest})
        elif isinstance(value, str) and value.startswith("sha256:"):
            rows.append({"name": name, "digest": value})
    return rows


def remember(stage: DataStage, job: Job, outcome: StageOutcome, plan: StagePlan) -> None:
    """Leave the summary that `strive status` shows."""
    made = [one for one in job.results.get(stage.name, {}).values() if isinstance(one, Artefact)]
    job.store.remember(
        f"last-run/{stage.name}",
        {
            "stage": stage.name,
            "command": shlex.join(["strive", *sys.argv[1:]]),
            "total": plan.total,
            "done": outcome.done,
            "cached": outcome.cached,
            "failed": outcome.failed,
            "seconds": round(outcome.seconds, 3),
            "finished": time.time(),
            "bytes": sum(int(one["bytes"]) for art in made for one in art.manifest.get("outputs", [])),
            "settings": stage.settings(job.config),
            "keys": {i: a.key for i, a in job.results.get(stage.name, {}).items() if isinstance(a, Artefact)},
        },
    )

"""What every command over stages does the same way: config, cache, samples, plan, summary, exit code."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from strive.cache.store import Store, default_root
from strive.cli.options import Common
from strive.cli.output import Output, duration
from strive.configs.errors import MissingError, UsageError
from strive.configs.load import Resolved, load


@dataclass
class Session:
    """A command's resolved config, its cache and its printer."""

    command: str
    options: Common
    resolved: Resolved
    store: Store
    out: Output

    def finish(
        self,
        *,
        done: int = 0,
        cached: int = 0,
        failed: list[dict[str, str]] | None = None,
        outputs: dict[str, Any] | None = None,
        lines: list[str] | None = None,
        fields: dict[str, Any] | None = None,
    ) -> None:
        """Print the result and leave with 0, or 3 when items failed."""
        failed = failed or []
        error = {"error": some_failed(failed)} if failed else {}
        status = "ok" if not failed else ("partial" if done or cached else "failed")
        body = {
            "done": done,
            "cached": cached,
            "failed": failed,
            "outputs": {k: str(Path(v).resolve()) if isinstance(v, Path) else v for k, v in (outputs or {}).items()},
            **(fields or {}),
            **error,
        }
        self.out.result(body, status=status, lines=lines or [])
        raise typer.Exit(3 if failed else 0)


def some_failed(failed: list[dict[str, str]]) -> dict[str, str]:
    """What exit code 3 means, in the three parts of every error."""
    return {
        "what": f"{len(failed)} failed, the first: {failed[0]['id']}: {failed[0]['reason']}",
        "expected": "every item done",
        "do": "See `failed`; mend or remove those items and run the same command again.",
    }


def open_session(
    command: str, options: Common, *, recipe: str | None = None, flags: dict[str, Any] | None = None
) -> Session:
    """Resolve the config, open the cache. Raises `UsageError` for config errors."""
    resolved = load(
        preset=options.preset,
        recipe=recipe,
        config_files=options.config,
        sets=options.sets,
        flags={"train.seed": options.seed, **(flags or {})},
    )
    return Session(command, options, resolved, Store(cache_folder(options)), Output(command, options))


def cache_folder(options: Common) -> Path:
    """The cache that was asked for; `UsageError` when that name is a file."""
    root = options.cache_dir or default_root()
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root}: not a folder", "a folder for the cache", "Choose another with --cache-dir DIR.")
    return root


def data_job(
    session: Session, data: Path, videos_dir: Path | None, follow_links: bool = False, engine: str = "local",
    address: str | None = None,
) -> Any:
    """A `Job` for the samples of a dataset file, done in windows; videos lie under `videos_dir` (default: the file's
    folder)."""
    from strive.stages.tasks.dataset import open_dataset
    from strive.stages.windows import WINDOW

    samples = open_dataset(data)
    if session.options.limit:
        samples = samples[: session.options.limit]
    job = job_over(session, samples, videos_dir or data.parent, follow_links, engine, address)
    job.window = WINDOW
    return job


def job_over(
    session: Session, samples: Sequence[Any], folder: Path, follow_links: bool = False, engine: str = "local",
    address: str | None = None,
) -> Any:
    """A `Job` for these samples, whose videos lie under `folder`."""
    from strive.stages.plan import Job, VideoRef
    from strive.stages.tasks.videos import video_ref

    def locate(name: str) -> VideoRef:
        return video_ref(name, folder, follow_links)

    return Job(session.resolved.config, session.store, samples=samples, videos_dir=folder, locate=locate,
               **how(session, engine, address))


def how(session: Session, engine: str = "local", address: str | None = None) -> dict[str, Any]:
    """The options that say how a job is done, as a `Job` has them; on a cluster no number of workers means all."""
    options = session.options
    if address is not None and engine != "ray":
        raise UsageError(f"--address {address} without --engine ray", "both, or neither", "Add --engine ray.")
    workers = options.workers or (0 if engine == "ray" else default_workers())
    return {"reporter": session.out, "workers": workers, "force": options.force, "fail_fast": options.fail_fast,
            "engine": engine, "address": address}


def default_workers() -> int:
    """As many decoding children as cores, eight at most."""
    import os

    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


def run_data_stage(
    session: Session, stage: str, job: Any, outputs: dict[str, Any] | None = None,
    fields: Callable[[Any], dict[str, Any]] | None = None,
) -> None:
    """Plan, then run a data stage and what it needs, then print the summary line and leave.

    `fields(job)`: further figures of the finished job for `--json`.
    """
    from strive.stages.runner import plan_chain, run_chain

    plans = plan_chain(stage, job)
    shown, ahead = plan_of_data(session, plans, job)
    if session.options.dry_run:
        figures = {"plan": {plan.stage: plan.counts() for plan in plans}, "outlook": ahead}
        session.finish(cached=plans[-1].cached, outputs=outputs, lines=shown, fields=figures)
    session.out.plan(shown)
    if not plans[-1].total:
        raise UsageError(f"{stage}: nothing given", "at least one video or sample", f"See `strive {stage} --help`.")
    outcome = run_chain(stage, job)[stage]
    session.finish(
        done=outcome.done,
        cached=outcome.cached,
        failed=outcome.failed,
        outputs=outputs,
        lines=[summary(stage, outcome)],
        fields=fields(job) if fields else None,
    )


def plan_of_data(session: Session, plans: Sequence[Any], job: Any) -> tuple[list[str], dict[str, Any] | None]:
    """The plan's lines, and what the work will need; refused before it begins where it cannot fit (exit 5), but a plan
    that was only asked for is shown with a warning."""
    from strive.stages.outlook import outlook, require_room

    ahead = outlook(plans, job)
    try:
        warning = require_room(plans, job)
    except MissingError as error:
        if not session.options.dry_run:
            raise
        warning = error.what
    if warning:
        session.out.warn(warning)
    lines = [plan.line() for plan in plans if plan.total or plan is plans[-1]]
    return [*lines, *([ahead.line()] if ahead else [])], asdict(ahead) if ahead else None


def summary(stage: str, outcome: Any) -> str:
    """The one line of truth at the end."""
    if not outcome.done and not outcome.failed:
        return f"{stage}: nothing to do: all {outcome.cached} are there. Use --force to redo."
    parts = [f"{outcome.done} done"] + ([f"{outcome.cached} cached"] if outcome.cached else [])
    if outcome.failed:
        reasons: dict[str, int] = {}
        for one in outcome.failed:
            reasons[one["reason"]] = reasons.get(one["reason"], 0) + 1
        shown = "; ".join(f"{count} {reason}" for reason, count in list(reasons.items())[:3])
        parts.append(f"{len(outcome.failed)} failed ({shown})")
    tail = f" See: strive status {stage} --failed" if outcome.failed else ""
    return f"{stage}: {', '.join(parts)} in {duration(outcome.seconds)}.{tail}"

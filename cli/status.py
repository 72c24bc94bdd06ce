"""`strive status`: what each stage has done, what failed or is missing, and the next command to type."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cache.runs import count_gone
from strive.cache.store import Store
from strive.cli.cache_store import open_store
from strive.cli.options import Common, common
from strive.cli.output import Output, duration, size
from strive.cli.table import table
from strive.configs.errors import UsageError

STAGES = ("fetch", "extract", "embed", "score", "variants", "train", "eval")
NEXT = {
    None: "strive extract --data FILE --videos DIR",
    "fetch": "strive extract --data FILE --videos DIR",
    "extract": "strive score --data FILE --videos DIR",
    "embed": "strive score --data FILE --videos DIR",
    "score": "strive variants --data FILE --videos DIR",
    "variants": "strive train --data FILE --videos DIR --model M --run DIR",
    "train": "strive eval --bench NAME --data DIR --model RUN --run DIR",
    "eval": "strive report RUN --out report.html",
}
EXAMPLES = "Examples: strive status · strive status extract --failed · strive status --json"


@dataclass(frozen=True)
class Row:
    """The last run of one stage, checked against what is in the cache now."""

    stage: str
    total: int
    done: int
    cached: int
    failed: list[dict[str, str]]
    missing: int
    size_bytes: int
    finished: float
    command: str | None


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(status))


def status(
    options: Common,
    stage: Annotated[str | None, typer.Argument(help="Only this stage.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="List failed items with their reasons.")] = False,
) -> None:
    """One row per stage, then the next command."""
    if stage is not None and stage not in STAGES:
        raise UsageError(f"{stage!r} is not a stage.", f"One of {', '.join(STAGES)}.", "See `strive status`.")
    store = open_store(options)
    known = rows(store)
    shown = [row for row in known if stage in (None, row.stage)]
    listed = [{"stage": row.stage, **item} for row in shown for item in row.failed] if failed else []
    lines = failure_lines(listed) if failed else table_lines(shown)
    busy = [] if failed else [f"now: {one}" for one in busy_holders(store)]
    following = next_command(known)
    Output("status", options).result({
        "stages": [as_json(row) for row in shown], "failed": listed, "next": following, "busy": busy,
        "outputs": {"cache": str(store.root)},
    }, status="ok", lines=[*lines, *busy, f"next: {following}"])


def rows(store: Store) -> list[Row]:
    """The stages that have run, in the order of the pipeline."""
    records = {name.partition("/")[2]: value for name, value in store.index.records("last-run")}
    found = [read_row(store, stage, records[stage]) for stage in STAGES if stage in records]
    return [row for row in found if row.total or row.stage != "fetch"]  # most datasets name no URLs


def read_row(store: Store, stage: str, record: dict[str, Any]) -> Row:
    """A row from the summary a run left; results that are no longer in the cache count as missing."""
    gone = count_gone(store, stage)
    done, cached, failed = int(record.get("done", 0)), int(record.get("cached", 0)), list(record.get("failed") or [])
    total = int(record.get("total", done + cached + len(failed)))
    missing = max(0, total - done - cached - len(failed)) + gone
    return Row(stage, total, done, cached, failed, missing, int(record.get("bytes", 0)),
               float(record.get("finished", 0)), record.get("command"))


def table_lines(shown: list[Row]) -> list[str]:
    """The table for people."""
    if not shown:
        return ["nothing has run with this cache yet"]
    body = [[row.stage, str(row.total), str(row.done), str(row.cached), str(len(row.failed)), str(row.missing),
             size(row.size_bytes), f"{duration(max(0.0, time.time() - row.finished))} ago"] for row in shown]
    heading = ["STAGE", "ITEMS", "DONE", "CACHED", "FAILED", "MISSING", "SIZE", "LAST RUN"]
    return table([heading, *body], right=(1, 2, 3, 4, 5, 6, 7))


def failure_lines(listed: list[dict[str, str]]) -> list[str]:
    """One line for each failed item."""
    if not listed:
        return ["no failed items in the last run"]
    return [f"{item['stage']}  {item.get('id', '?')}  {item.get('reason', '?')}" for item in listed]


def next_command(known: list[Row]) -> str:
    """What to type next: finish what is unfinished, look at what failed, else the following stage."""
    if not known:
        return "strive demo --out demo   (your own data: strive extract --data FILE --videos DIR)"
    for row in known:
        if row.missing:
            return row.command or f"{usual_command(row.stage)}   (continues: {row.missing} missing)"
    last = known[-1]
    if last.failed and not last.done and not last.cached:
        return f"strive status {last.stage} --failed"
    return NEXT[last.stage]


def usual_command(stage: str) -> str:
    """How a stage is called, with words where the user's own names go."""
    by_stage = {command.split()[1]: command for command in NEXT.values()}
    return by_stage[{"fetch": "extract", "embed": "score"}.get(stage, stage)]


def busy_holders(store: Store) -> list[str]:
    """Who is making what at this moment, from the locks they hold."""
    from strive.cache.lock import holder

    counts: dict[str, int] = {}
    for path in sorted((store.root / "locks").glob("*.lock")):
        owner = holder(Path(path))
        if owner is not None and not owner.is_dead():
            name = f"process {owner.pid} on {owner.host} ({owner.command})"
            counts[name] = counts.get(name, 0) + 1
    return [f"{name} is making {count}" for name, count in counts.items()]


def as_json(row: Row) -> dict[str, Any]:
    """A row with the names of the run records."""
    return {"stage": row.stage, "total": row.total, "done": row.done, "cached": row.cached, "failed": len(row.failed),
            "missing": row.missing, "bytes": row.size_bytes, "finished": row.finished, "command": row.command}

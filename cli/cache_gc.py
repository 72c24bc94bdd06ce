"""`strive cache gc`: what nothing refers to goes, by age or until the cache fits a size; bytes are shown first."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from strive.cache.gc import Garbage, collect, find_garbage, total_bytes
from strive.cli.cache_store import open_store
from strive.cli.options import Common
from strive.cli.output import Output, duration, size
from strive.cli.table import table
from strive.configs.errors import UsageError

SHOWN = 1000
DAY_S = 24 * 3600
_AGE = re.compile(r"(\d+(?:\.\d+)?)([dh]?)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?)(i?)B?", re.IGNORECASE)


def gc(
    options: Common,
    older_than: Annotated[str, typer.Option("--older-than", help="Unused for: 30d, 36h; at least 1d.")] = "1d",
    max_size: Annotated[str | None, typer.Option("--max-size", help="Until the cache takes no more: 50GiB.")] = None,
    drop_run: Annotated[list[Path] | None, typer.Option("--drop-run", help="This run keeps nothing.")] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> None:
    """Show what would go and its bytes, ask, remove."""
    days, limit, dropped = days_of(older_than), bytes_of(max_size), drop_run or []
    store, out = open_store(options), Output("cache", options)
    garbage, taken = find_garbage(store, days, dropped, limit), total_bytes(store)
    total = sum(one.size_bytes for one in garbage)
    age = duration(days * DAY_S) if days < 2 else f"{days:g} d"
    what = f"{len(garbage)} artefacts ({size(total)}) that no known run refers to, unused for {age} or longer"
    removed: list[Garbage] = []
    if (garbage or dropped) and not options.dry_run:
        if garbage:
            ask(what, yes)
        removed = collect(store, garbage, dropped)
    freed = sum(one.size_bytes for one in removed)
    lines = listed(garbage)
    if garbage:
        lines.append(f"would remove {what}" if options.dry_run else f"removed {len(removed)} artefacts ({size(freed)})")
    else:
        lines.append(f"nothing to remove: known runs refer to everything that was unused for {age} or longer"
                     if limit is None or taken > limit else f"nothing to remove: the cache takes {size(taken)}")
    left = taken - (total if options.dry_run else freed)
    if limit is not None and left > limit:
        lines.append(f"{size(left)} remain, more than {size(limit)}: known runs refer to them, or they are younger")
    out.result({
        "done": len(removed), "outputs": {"cache": str(store.root)}, "bytes": total, "bytes_removed": freed,
        "bytes_left": left, "dry_run": options.dry_run,
        "garbage": [{"stage": one.stage, "key": one.key, "bytes": one.size_bytes} for one in garbage],
    }, status="ok", lines=lines)


def listed(garbage: list[Garbage]) -> list[str]:
    """One line for each, oldest first."""
    if not garbage:
        return []
    rows = [[one.stage, one.key[:12], size(one.size_bytes), f"{one.idle_days:.0f} d"] for one in garbage[:SHOWN]]
    more = [f"and {len(garbage) - SHOWN} others"] if len(garbage) > SHOWN else []
    return [*table([["STAGE", "KEY", "SIZE", "UNUSED"], *rows], right=(2, 3)), *more]


def days_of(text: str) -> float:
    """`30`, `30d` or `36h` as days; UsageError for anything else and for less than a day."""
    found = _AGE.fullmatch(text.strip())
    days = float(found[1]) / (24 if found[2] == "h" else 1) if found else 0.0
    if days < 1:
        raise UsageError(f"--older-than {text}", "days or hours, a day at least: a run that is going on may be about "
                         "to refer to what is younger", "Say for example --older-than 30d.")
    return days


def bytes_of(text: str | None) -> int | None:
    """`50GiB`, `50G` and `50GB` (a thousandth smaller a step) as bytes; UsageError for anything else."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--max-size {text}", "a size such as 50GiB, 500MB or 0", "Say for example --max-size 50GiB.")
    is_decimal = text.strip().upper().endswith("B") and not found[3]
    return int(float(found[1]) * (1000 if is_decimal else 1024) ** " KMGT".index(found[2].upper() or " "))


def ask(what: str, yes: bool) -> None:
    """Get a yes from the terminal; where nobody can answer, --yes is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"This would remove {what}.", "An answer, but nobody is at the terminal.",
                         "Add --yes to remove, or --dry-run to look.")
    if not typer.confirm(f"Remove {what}?", err=True):
        raise typer.Exit(0)

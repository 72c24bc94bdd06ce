"""`strive cache`: where it is, what is in it, whether it is intact, and what nothing refers to any more."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cache.store import Store, default_root
from strive.cli.options import Common, common
from strive.cli.output import Output, duration, size
from strive.cli.table import table
from strive.configs.errors import UsageError, VerificationError

EXAMPLES = "Examples: strive cache ls · strive cache verify --deep · strive cache gc --dry-run"


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command group."""
    group = typer.Typer(name=name, help=help_line, no_args_is_help=True, rich_markup_mode=None, epilog=EXAMPLES)
    group.command("path", help="Print the cache folder.")(common(path))
    group.command("ls", help="Show what the cache holds, by stage, or the artefacts of one stage.")(common(ls))
    group.command("verify", help="Check that artefacts are complete, and with --deep every byte.")(common(verify))
    group.command("gc", help="Remove what no known run refers to and nobody wanted lately.")(common(gc))
    app.add_typer(group, name=name)


def path(options: Common) -> None:
    """The folder alone, for scripts."""
    store = open_store(options)
    Output("cache", options).result({"outputs": {"cache": str(store.root)}}, status="ok", lines=[str(store.root)])


def ls(options: Common, stage: Annotated[str | None, typer.Argument(help="One stage's artefacts.")] = None) -> None:
    """Counts and sizes by stage; with a stage, its artefacts."""
    store = open_store(options)
    fields, lines = (list_stages(store) if stage is None else list_artefacts(store, stage))
    fields["outputs"] = {"cache": str(store.root)}
    Output("cache", options).result(fields, status="ok", lines=lines)


def verify(
    options: Common,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte and compare it with its digest.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Drop what is damaged, so that it is made again.")] = False,
) -> None:
    """Exit 6 when damage is found (and, with --repair, could not be dropped)."""
    from strive.cache import verify as checks

    store, out = open_store(options), Output("cache", options)
    found = checks.verify(store, deep, lambda count, total, name: out.progress("verify", count, total, 0, name))
    out.close_bar()
    bad = found.damage
    left = checks.repair(store, bad) if repair and not options.dry_run else bad
    lines = [f"{one.id}: {one.reason}" for one in found.findings]
    lines.append(f"{found.artefacts} artefacts ({size(found.size_bytes)}) checked{', every byte' if deep else ''}: "
                 f"{len({one.id for one in bad})} damaged{', dropped' if bad and not left else ''}")
    fields: dict[str, Any] = {
        "done": found.artefacts, "failed": [{"id": one.id, "reason": one.reason} for one in found.findings],
        "bytes": found.size_bytes, "deep": deep, "damaged": len({one.id for one in bad}),
        "dropped": len({one.id for one in bad}) - len({one.id for one in left}), "outputs": {"cache": str(store.root)},
    }
    if not left:
        out.result(fields, status="ok", lines=lines)
        return
    if not options.json:
        out.result(fields, status="failed", lines=lines)
    raise damage_error(store, len({one.id for one in left}), fields)


def gc(
    options: Common,
    older_than: Annotated[int, typer.Option("--older-than", min=1, help="Days since it was last wanted.")] = 1,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> None:
    """Show what would go and its bytes, ask, remove."""
    from strive.cache.gc import collect, find_garbage

    store, out = open_store(options), Output("cache", options)
    garbage = find_garbage(store, older_than)
    total = sum(one.size_bytes for one in garbage)
    what = f"{len(garbage)} artefacts ({size(total)}) that no known run refers to, unused for {older_than} d or longer"
    removed = []
    if garbage and not options.dry_run:
        ask(what, yes)
        removed = collect(store, garbage)
    lines = table([["STAGE", "KEY", "SIZE", "UNUSED"], *(
        [one.stage, one.key[:12], size(one.size_bytes), f"{one.idle_days:.0f} d"] for one in garbage
    )], right=(2, 3)) if garbage else []
    freed = sum(one.size_bytes for one in removed)
    if garbage:
        lines.append(f"would remove {what}" if options.dry_run else f"removed {len(removed)} artefacts ({size(freed)})")
    else:
        lines.append(f"nothing to remove: known runs refer to everything that was unused for {older_than} d or longer")
    out.result({
        "done": len(removed), "outputs": {"cache": str(store.root)}, "bytes": total, "bytes_removed": freed,
        "dry_run": options.dry_run,
        "garbage": [{"stage": one.stage, "key": one.key, "bytes": one.size_bytes} for one in garbage],
    }, status="ok", lines=lines)


def open_store(options: Common) -> Store:
    """The cache the options name."""
    return Store(Path(options.cache_dir or default_root()))


def list_stages(store: Store) -> tuple[dict[str, Any], list[str]]:
    """One row per stage, read from names and sizes alone, so that it is quick."""
    from strive.cache.gc import folder_bytes

    sums: dict[str, list[int]] = {}
    for stage, _key, place in store.places():
        row = sums.setdefault(stage, [0, 0])
        row[0] += 1
        row[1] += folder_bytes(place)
    total = sum(row[1] for row in sums.values())
    lines = table([["STAGE", "ARTEFACTS", "SIZE"], *([s, str(n), size(b)] for s, (n, b) in sums.items())], right=(1, 2))
    lines.append(f"{size(total)} in {store.root}")
    stages = {stage: {"artefacts": n, "bytes": b} for stage, (n, b) in sums.items()}
    return {"stages": stages, "bytes": total}, lines


def list_artefacts(store: Store, stage: str) -> tuple[dict[str, Any], list[str]]:
    """One row per complete artefact of a stage, newest last."""
    from strive.cache.gc import DAY_S, idle_days

    try:
        found = sorted(store.entries(stage), key=lambda one: str(one.manifest.get("created")))
    except ValueError as error:
        raise UsageError(f"{stage!r} is not a stage.", "A stage, e.g. extract.", "See `strive cache ls`.") from error
    rows = [[a.key[:12], size(a.size_bytes), str(a.manifest.get("created")), duration(idle_days(a.path) * DAY_S)]
            for a in found]
    entries = [{"key": a.key, "bytes": a.size_bytes, "created": a.manifest.get("created"), "path": str(a.path),
                "digest": a.digest} for a in found]
    return {"entries": entries}, table([["KEY", "SIZE", "CREATED", "UNUSED FOR"], *rows], right=(1, 3))


def ask(what: str, yes: bool) -> None:
    """Get a yes from the terminal; where nobody can answer, --yes is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"This would remove {what}.", "An answer, but nobody is at the terminal.",
                         "Add --yes to remove, or --dry-run to look.")
    if not typer.confirm(f"Remove {what}?", err=True):
        raise typer.Exit(0)


def damage_error(store: Store, count: int, fields: dict[str, Any]) -> VerificationError:
    """The error that carries the findings into the JSON object."""
    error = VerificationError(
        f"{store.root}: {count} artefacts are damaged.", "Every artefact as it was written.",
        "Run `strive cache verify --deep --repair` to drop them, then the stage's command to make them again.",
    )
    error.fields = fields
    return error

"""`strive cache`: where it is, what is in it, whether it is intact, and what nothing refers to any more."""

from typing import Annotated, Any

import typer

from strive.cache.store import Store
from strive.cli.cache_gc import gc
from strive.cli.cache_list import ls
from strive.cli.cache_move import export, import_
from strive.cli.cache_store import open_store
from strive.cli.options import Common, common
from strive.cli.output import Output, size
from strive.configs.errors import VerificationError

EXAMPLES = "Examples: strive cache ls · strive cache verify --deep · strive cache gc --max-size 50GiB --dry-run"


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command group."""
    group = typer.Typer(name=name, help=help_line, no_args_is_help=True, rich_markup_mode=None, epilog=EXAMPLES)
    group.command("path", help="Print the cache folder.")(common(path))
    group.command("ls", help="Show what the cache holds, by stage, or the artefacts of one stage.")(common(ls))
    group.command("verify", help="Check that artefacts are complete, and with --deep every byte.")(common(verify))
    group.command("gc", help="Remove what no known run refers to and nobody wanted lately.")(common(gc))
    group.command("export", help="Write a run's artefacts, and what they were made from, to one tar.")(common(export))
    group.command("import", help="Take in the artefacts of an exported tar, every byte checked.")(common(import_))
    app.add_typer(group, name=name)


def path(options: Common) -> None:
    """The folder alone, for scripts."""
    store = open_store(options)
    Output("cache", options).result({"outputs": {"cache": str(store.root)}}, status="ok", lines=[str(store.root)])


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
    lines = [f"{one.id}: {one.reason}" for one in (*found.findings, *(left if repair and not options.dry_run else ()))]
    lines += [f"{one}: left by a writer on another machine, or one that may not be removed" for one in found.left]
    lines.append(f"{found.artefacts} artefacts ({size(found.size_bytes)}) checked{', every byte' if deep else ''}: "
                 f"{len({one.id for one in bad})} damaged{', dropped' if bad and not left else ''}")
    fields: dict[str, Any] = {
        "done": found.artefacts, "failed": [{"id": one.id, "reason": one.reason} for one in found.findings],
        "bytes": found.size_bytes, "deep": deep,
        "temporaries": [str(one) for one in found.left], "damaged": len({one.id for one in bad}),
        "dropped": len({one.id for one in bad}) - len({one.id for one in left}), "outputs": {"cache": str(store.root)},
    }
    if not left:
        out.result(fields, status="ok", lines=lines)
        return
    if not options.json:
        out.result(fields, status="failed", lines=lines)
    raise damage_error(store, len({one.id for one in left}), fields)


def damage_error(store: Store, count: int, fields: dict[str, Any]) -> VerificationError:
    """The error that carries the findings into the JSON object."""
    error = VerificationError(
        f"{store.root}: {count} artefacts are damaged.", "Every artefact as it was written.",
        "Run `strive cache verify --deep --repair` to drop them, then the stage's command to make them again.",
    )
    error.fields = fields
    return error

"""`strive cache ls`: how many artefacts and bytes each stage has, or the artefacts of one stage."""

import heapq
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from strive.cache.catalogue import Entry
from strive.cache.key import check_stage
from strive.cache.store import Store
from strive.cli.cache_store import open_store
from strive.cli.options import Common
from strive.cli.output import Output, duration, size
from strive.cli.table import table
from strive.configs.errors import UsageError

SHOWN = 1000


def ls(
    options: Common,
    stage: Annotated[str | None, typer.Argument(help="One stage's artefacts.")] = None,
    everything: Annotated[bool, typer.Option("--all", help=f"On a terminal too: more than {SHOWN} lines.")] = False,
) -> None:
    """Counts and sizes by stage; with a stage, its artefacts."""
    store = open_store(options)
    for one in store.stages():
        if stage in (None, one) and not options.json and not (store.catalogue.folder / one).is_dir():
            Output("cache", options).talk(f"{one}: no catalogue yet, the manifests are read")
    if stage is None:
        fields, lines = list_stages(store)
    elif options.json:
        fields, lines = {"entries": [as_json(store, stage, one) for one in complete(store, stage)]}, []
    else:
        fields, lines = {}, list_artefacts(store, stage, sys.stdout.isatty() and not everything)
    fields["outputs"] = {"cache": str(store.root)}
    Output("cache", options).result(fields, status="ok", lines=lines)


def list_stages(store: Store) -> tuple[dict[str, Any], list[str]]:
    """One row per stage."""
    sums = {stage: found for stage in store.stages() if (found := store.catalogue.totals(stage)).count}
    total = sum(one.disk_bytes for one in sums.values())
    body = ([stage, str(one.count), size(one.disk_bytes)] for stage, one in sums.items())
    lines = [*table([["STAGE", "ARTEFACTS", "SIZE"], *body], right=(1, 2)), f"{size(total)} in {store.root}"]
    stages = {stage: {"artefacts": one.count, "bytes": one.disk_bytes} for stage, one in sums.items()}
    return {"stages": stages, "bytes": total}, lines


def list_artefacts(store: Store, stage: str, is_cut: bool) -> list[str]:
    """One line per complete artefact, newest last; with `is_cut` the newest `SHOWN` and how many there are."""
    from strive.cache.gc import DAY_S, idle_days

    found = ((one.created, one.key, one.size_bytes) for one in complete(store, stage))
    shown = sorted(heapq.nlargest(SHOWN, found) if is_cut else found)
    idle = [duration(idle_days(f"{store.root}/{stage}/{key[:2]}/{key}") * DAY_S) for _created, key, _bytes in shown]
    rows = [[key[:12], size(count_bytes), created, unused]
            for (created, key, count_bytes), unused in zip(shown, idle, strict=True)]
    lines = table([["KEY", "SIZE", "CREATED", "UNUSED FOR"], *rows], right=(1, 3))
    if is_cut and len(shown) == SHOWN:
        lines.append(f"the newest {SHOWN} of {store.catalogue.totals(stage).count}; --all shows the others")
    return lines


def complete(store: Store, stage: str) -> Iterator[Entry]:
    """The artefacts of a stage that have a manifest, sorted by key."""
    try:
        check_stage(stage)
    except ValueError as error:
        raise UsageError(f"{stage!r} is not a stage.", "A stage, e.g. extract.", "See `strive cache ls`.") from error
    return (one for one in store.catalogue.entries(stage) if one.digest)


def as_json(store: Store, stage: str, one: Entry) -> dict[str, Any]:
    """An artefact for `--json`."""
    return {"key": one.key, "bytes": one.size_bytes, "created": one.created,
            "path": f"{store.root}/{stage}/{one.key[:2]}/{one.key}", "digest": one.digest}

"""`strive cache export` and `import`: a run's artefacts as one tar, to go on with them on another machine."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from strive.cli.cache_store import open_store
from strive.cli.options import Common
from strive.cli.output import Output, size
from strive.configs.errors import UsageError


def export(
    options: Common,
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Run folders of train, eval.")] = None,
    out: Annotated[Path, typer.Option("--out", help="The tar to write.")] = Path("strive-cache.tar"),
    stage: Annotated[list[str] | None, typer.Option("--stage", help="What its last run left; repeatable.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every complete artefact of the cache.")] = False,
) -> None:
    """Choose, check every byte, write. Exit 6 when an artefact is damaged; the tar is then not written."""
    from strive.cache import pack

    if not (runs or stage or everything):
        raise UsageError("nothing to export", "a run folder, --stage NAME or --all",
                         "Say for example `strive cache export --stage variants --out bundles.tar`.")
    if out.exists() and not options.force:
        raise UsageError(f"{out}: is there already", "a free name", "Choose another with --out, or add --force.")
    store, printer = open_store(options), Output("cache", options)
    chosen = pack.choose(store, runs or (), stage or (), everything)
    count = len(chosen.artefacts)
    if chosen.missing:
        printer.warn(f"{chosen.missing} artefacts are no longer in {store.root} and not exported")
    written = 0
    if not options.dry_run:
        written = pack.write(store, chosen, out, lambda at, total, name: printer.progress("export", at, total, 0, name))
    verb = "would write" if options.dry_run else "wrote"
    printer.result({
        "done": 0 if options.dry_run else count, "artefacts": count, "missing": chosen.missing,
        "bytes": chosen.size_bytes, "tar_bytes": written, "stages": Counter(one.stage for one in chosen.artefacts),
        "dry_run": options.dry_run, "outputs": {"tar": str(out.absolute()), "cache": str(store.root)},
    }, status="ok", lines=[f"{verb} {count} artefacts ({size(chosen.size_bytes)}) to {out}"])


def import_(
    options: Common,
    tar: Annotated[Path, typer.Argument(metavar="FILE", help="A tar that `strive cache export` wrote.")],
    videos: Annotated[Path | None, typer.Option("--videos", help="Videos missing below it count as known.")] = None,
) -> None:
    """Look through the tar, then take in what is not there. Exit 6 when the tar is damaged or no export."""
    from strive.cache import unpack

    store, printer = open_store(options), Output("cache", options)
    if options.dry_run:
        found = unpack.survey(store, tar)
        fields = {"done": 0, "cached": found.there, "bytes": found.needed_bytes}
        line = (f"would take in {found.artefacts - found.there} artefacts ({size(found.needed_bytes)}); "
                f"{found.there} are there")
    else:
        done = unpack.read(store, tar, videos, lambda at, total, name: printer.progress("import", at, total, 0, name))
        fields = {"done": done.done, "cached": done.cached, "bytes": done.size_bytes, "videos": done.videos}
        line = f"took in {done.done} artefacts ({size(done.size_bytes)}); {done.cached} were there"
    printer.result({**fields, "dry_run": options.dry_run, "outputs": {"cache": str(store.root)}}, status="ok",
                   lines=[line])

"""`strive extract`: take frames from videos, whether named one by one or by a dataset."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import AddressOption, Common, EngineOption, common
from strive.cli.session import Session, data_job, how, open_session, run_data_stage
from strive.configs.errors import UsageError

EXAMPLES = (
    "Examples: strive extract a.mp4 b.mkv · strive extract videos/ --set extract.fps=2"
    " · strive extract 'clips/**/*.webm' · strive extract --data train.jsonl --videos videos/"
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(extract))


def extract(
    options: Common,
    sources: Annotated[list[str] | None, typer.Argument(metavar="VIDEOS", help="Files, folders, globs.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Dataset whose videos are taken.")] = None,
    videos: Annotated[Path | None, typer.Option("--videos", help="Folder that the dataset's videos lie in.")] = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Allow symbolic links in that folder.")] = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> None:
    """Decode each video once, forward, and keep frames with their true times."""
    if bool(sources) == bool(data):
        raise UsageError("both videos and --data" if data else "no videos given", "videos, or --data FILE --videos DIR",
                         "For example: strive extract videos/ (or: strive extract --data train.jsonl --videos videos/)")
    session = open_session("extract", options)
    job = (data_job(session, data, videos, follow_links, engine, address) if data
           else sources_job(session, sources or [], engine, address))
    run_data_stage(session, "extract", job, outputs={"folder": session.store.root / "extract"})


def sources_job(session: Session, sources: list[str], engine: str, address: str | None) -> Any:
    """A `Job` for videos that were named on the command line."""
    from strive.stages.extract.sources import find_videos
    from strive.stages.plan import Job
    from strive.stages.windows import WINDOW

    found = find_videos(sources)[: session.options.limit]
    return Job(session.resolved.config, session.store, videos=found, window=WINDOW, **how(session, engine, address))

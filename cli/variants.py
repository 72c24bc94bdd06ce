"""`strive variants`: make one bundle of views, pixels included, for each question."""

from pathlib import Path
from typing import Annotated

import typer

from strive.cli.options import AddressOption, Common, EngineOption, common
from strive.cli.session import data_job, open_session, run_data_stage

EXAMPLES = (
    "Examples: strive variants --data train.jsonl --videos videos/"
    " · strive variants --data train.jsonl --videos videos/ --set variants.count=8"
    " · strive variants --data train.jsonl --videos videos/ --set 'variants.operators=[canonical, draw, phase]'"
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(variants))


def variants(
    options: Common,
    data: Annotated[Path, typer.Option("--data", help="Dataset: JSON Lines, one question a row.")],
    videos: Annotated[Path | None, typer.Option("--videos", help="Folder that its videos lie in.")] = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Allow symbolic links in that folder.")] = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> None:
    """Extract and score what is missing, then write the bundles."""
    session = open_session("variants", options)
    job = data_job(session, data, videos, follow_links, engine, address)
    run_data_stage(session, "variants", job, outputs={"folder": session.store.root / "variants"})

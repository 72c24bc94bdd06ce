"""`strive score`: rate the frames of each question's video by their importance to it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import AddressOption, Common, EngineOption, common
from strive.cli.session import data_job, open_session, run_data_stage

EXAMPLES = (
    "Examples: strive score --data train.jsonl --videos videos/ · strive score --data train.jsonl --videos videos/"
    " --set score.model=ViT-L-14 --set score.pretrained=openai · strive score --data train.jsonl --videos videos/"
    " --set score.scorer=random"
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(score))


def score(
    options: Common,
    data: Annotated[Path, typer.Option("--data", help="Dataset: JSON Lines, one question a row.")],
    videos: Annotated[Path | None, typer.Option("--videos", help="Folder that its videos lie in.")] = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Allow symbolic links in that folder.")] = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> None:
    """Extract what is missing, embed each video once, score each question."""
    session = open_session("score", options)
    job = data_job(session, data, videos, follow_links, engine, address)
    run_data_stage(session, "score", job, outputs={"folder": session.store.root / "score"}, fields=read_of_texts)


def read_of_texts(job: Any) -> dict[str, Any]:
    """How many questions were longer than the scorer reads, and what was cut."""
    from strive.stages.score.length import text_length

    return {"text": text_length(job.facts).fields()}

"""`strive check`: read a dataset before money is spent on it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import Common, common
from strive.cli.session import open_session
from strive.cli.table import table
from strive.configs.errors import MissingError, UsageError

EXAMPLES = (
    "Examples: strive check train.jsonl --videos videos/"
    " · strive check train.jsonl --videos videos/ --against eval.jsonl"
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(run))


def run(
    options: Common,
    file: Annotated[Path, typer.Argument(help="Dataset file.")],
    videos: Annotated[
        Path | None, typer.Option("--videos", help="Folder its videos lie in; default: the file's.")
    ] = None,
    against: Annotated[Path | None, typer.Option("--against", help="Eval dataset that must share no video.")] = None,
    against_videos: Annotated[
        Path | None, typer.Option("--against-videos", help="Folder of its videos; default: --videos.")
    ] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Allow symbolic links among the videos.")
    ] = False,
) -> None:
    """Exit 2: rows that cannot be used. Exit 3: videos missing, or shared with the eval set."""
    session = open_session("check", options)
    folder = videos or file.parent
    for place in (folder, against_videos):
        if place is not None and not place.is_dir():
            raise MissingError(f"{place}: no such folder", "a folder of videos", "Check --videos.")
    from strive.stages.tasks.check import check_dataset

    found = check_dataset(
        file,
        folder,
        session.store.video_digest,
        against=against,
        against_videos=against_videos,
        follow_links=follow_links,
    )
    fields = fields_of(found)
    if found.problems:
        first = found.problems[0]
        error = UsageError(
            f"{len(found.problems)} rows cannot be used; {first['what']}",
            first["expected"],
            "Mend or remove those rows.",
        )
        error.fields = {"failed": found.failed, **fields}
        for problem in found.problems[1:20]:
            session.out.talk(problem["what"])
        raise error
    session.finish(
        done=len(found.samples) - len({one["id"] for one in found.failed}),
        failed=found.failed,
        fields=fields,
        lines=lines_of(found, file),
    )


def fields_of(found: Any) -> dict[str, Any]:
    """The findings as JSON."""
    return {
        "samples": len(found.samples),
        "videos": found.videos,
        "types": found.types,
        "priors": found.priors,
        "problems": found.problems,
        "warnings": found.warnings,
        "duplicate_questions": found.duplicate_questions,
        "duplicate_videos": found.duplicate_videos,
        "overlap": found.overlap,
    }


def lines_of(found: Any, file: Path) -> list[str]:
    """The findings for people."""
    rows = [["type", "n", "most common answer", "share"]]
    rows += [
        [kind, str(one["n"]), str(one["most_common"])[:40], f"{100 * one['share']:.0f} %"]
        for kind, one in found.priors.items()
    ]
    lines = [f"check: {file}: {len(found.samples)} samples, {found.videos} videos", *table(rows, right=(1, 3))]
    lines += [f"warning: {text}" for text in found.warnings]
    reasons: dict[str, int] = {}
    for one in found.failed:
        reasons[one["reason"]] = reasons.get(one["reason"], 0) + 1
    lines += [f"failed: {count} × {reason}" for reason, count in list(reasons.items())[:20]]
    return lines if found.failed or found.warnings else [*lines, "nothing is wrong that can be seen without watching"]

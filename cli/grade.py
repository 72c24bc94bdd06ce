"""`strive grade`: score replies that were made anywhere, without video or model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.eval_text import headline, percent, tables
from strive.cli.options import Common, common
from strive.cli.session import default_workers, open_session

EXAMPLES = (
    "Examples: strive grade predictions.jsonl"
    " · strive grade predictions.jsonl --protocol lmms-eval --out verdicts.jsonl"
    " · strive grade runs/videomme/predictions.jsonl --protocol official"
)
WORTH_WORKERS = 1 << 20  # bytes of predictions from which several processes judge them


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(grade))


def grade(
    options: Common,
    file: Annotated[Path, typer.Argument(help="Predictions: JSON Lines, or a sample log of a harness.")],
    protocol: Annotated[
        str, typer.Option("--protocol", help="strict, official, lmms-eval, vlmevalkit or video-r1.")
    ] = "strict",
    raw: Annotated[bool, typer.Option("--raw", help="Read whole replies, not the first <answer>'s content.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File for the verdicts, a line a row.")] = None,
    bench: Annotated[str | None, typer.Option("--bench", help="Benchmark of rows that name none.")] = None,
) -> None:
    """Score every reply; a reply that can't be read is counted as what it is."""
    from strive.stages.eval.grading.grade_file import grade_file
    from strive.stages.eval.grading.grader import Grader
    from strive.stages.eval.protocols import check_protocol

    session = open_session("grade", options)
    check_protocol(protocol)
    if options.dry_run:
        session.finish(lines=[f"would grade {file} by {protocol}"], outputs={"out": out} if out else {})
    workers = options.workers or (default_workers() if file.is_file() and file.stat().st_size >= WORTH_WORKERS else 1)
    grader = grade_file(file, Grader(protocol, raw, workers), out, bench, options.limit)
    figures = grader.figures()
    for one in grader.odd:
        session.out.warn(f"row {one['row']} ({one['id']}): {one['reason']}")
    fields = {"protocol": protocol, "raw": raw, "n": grader.n, "benches": figures, "odd": grader.odd,
              "n_odd": dict(grader.n_odd), **(next(iter(figures.values())) if len(figures) == 1 else {})}
    session.finish(done=grader.n, outputs={"out": out} if out else {}, fields=fields,
                   lines=[line for name, one in figures.items() for line in lines_of(name, protocol, one)]
                   + ([f"  {out}"] if out else []))


def lines_of(bench: str, protocol: str, found: dict[str, Any]) -> list[str]:
    """One benchmark's figures for people."""
    ci = f" (95 % {100 * found['ci'][0]:.1f}–{100 * found['ci'][1]:.1f})" if found["ci"] else ""
    left_out = f", {found['n_left_out']} left out by the protocol" if found["n_left_out"] else ""
    counts = [f"{found[f'n_{name}']} {name}" for name in ("unparsed", "ambiguous", "truncated", "empty", "unscorable")]
    return [
        f"grade: {bench}, protocol {protocol}",
        f"  accuracy {percent(found['accuracy'])}{ci}   of {found['n']} replies{left_out}",
        f"  accuracy of the {found['n_answered']} read replies {percent(found['accuracy_answered'])}   "
        f"{', '.join(counts)}",
        *headline(found["headline"]),
        *tables(found["groups"]),
    ]

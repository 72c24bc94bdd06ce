"""`strive report`: runs as one HTML page."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import Common, common
from strive.cli.session import open_session
from strive.configs.errors import UsageError

EXAMPLES = "Examples: strive report runs/first · strive report runs/strive runs/grpo runs/eval --out compare.html"


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(report))


def report(
    options: Common,
    runs: Annotated[list[Path], typer.Argument(help="Run folders of train and eval.")],
    out: Annotated[Path | None, typer.Option("--out", help="Default: report.html in the run, or here.")] = None,
) -> None:
    """Write one self-contained page; frames come from the cache when the bundles are still there."""
    from strive.stages.report.lookup import RunBundles
    from strive.stages.report.page import write_report
    from strive.stages.report.run_folder import read_run

    session = open_session("report", options)
    refuse_comparisons(runs)
    target = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    folders = [read_run(run) for run in runs]
    fields = {"runs": [describe(folder) for folder in folders]}
    if options.dry_run:
        session.finish(outputs={"report": target}, fields=fields, lines=[f"would write {target} from {len(runs)} runs"])
    write_report(runs, target, bundle_of=RunBundles(session.store))
    session.finish(done=len(runs), outputs={"report": target}, fields=fields, lines=[f"wrote {target}"])


def refuse_comparisons(folders: list[Path]) -> None:
    """`UsageError` for a folder that `strive compare` has made: it has a page of its own."""
    for folder in folders:
        if (folder / "compare_started.json").is_file():
            page = folder / "compare.html"
            do = f"Open {page}." if page.is_file() else "Run the same compare command again to finish it."
            raise UsageError(f"{folder}: a comparison", "run folders of train and eval",
                             f"{do} Its single runs are {folder / 'runs'}/RECIPE/seed_N.")


def describe(folder: Any) -> dict[str, Any]:
    """What was found in a run, for --json."""
    return {"run": str(folder.path.resolve()), "kind": "eval" if folder.is_eval else "train",
            "steps": len(folder.metrics), "rollouts": len(folder.rollouts), "predictions": len(folder.predictions)}

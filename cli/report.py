"""`strive report`: runs as one HTML page, two evaluations set against each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import Common, common
from strive.cli.session import open_session
from strive.cli.table import table
from strive.configs.errors import UsageError

EXAMPLES = (
    "Examples: strive report runs/first · strive report runs/strive runs/grpo runs/eval --out compare.html"
    " · strive report runs/base-videomme runs/strive-videomme --out difference.html"
)
MOST_NAMED = 6


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(report))


def report(
    options: Common,
    runs: Annotated[list[Path], typer.Argument(help="Run folders of train and eval.")],
    out: Annotated[Path | None, typer.Option("--out", help="Default: report.html in the run, or here.")] = None,
) -> None:
    """Write one self-contained page; frames come from the cache when they are still there.

    Two evaluations are compared question by question: the second against the first.
    """
    from strive.stages.report.evaluation.comparable import refuse_mixed_protocols
    from strive.stages.report.evaluation.pairing import compare
    from strive.stages.report.evaluation.shown_frames import RunFrames
    from strive.stages.report.lookup import RunBundles
    from strive.stages.report.page import render, write_page
    from strive.stages.report.run_folder import read_runs

    session = open_session("report", options)
    refuse_comparisons(runs)
    target = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    folders = read_runs(runs)
    refuse_mixed_protocols(folders)
    pair = compare(folders)
    fields = {"runs": [describe(folder) for folder in folders], "paired": pair}
    said = paired_lines(pair) if pair else []
    if options.dry_run:
        session.finish(outputs={"report": target}, fields=fields,
                       lines=[f"would write {target} from {len(runs)} runs", *said])
    write_page(render(folders, None, RunBundles(session.store), RunFrames(session.store)), target)
    session.finish(done=len(runs), outputs={"report": target}, fields=fields, lines=[*said, f"wrote {target}"])


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


def paired_lines(pair: dict[str, Any]) -> list[str]:
    """The second run against the first, for people."""
    alone = [f"{pair[f'n_only_{side}']} answered only by {pair[side]}" for side in "ab" if pair[f"n_only_{side}"]]
    alone += [f"{pair['n_unscored']} without a score in one of them"] if pair["n_unscored"] else []
    beside = f" ({', '.join(alone)})" if alone else ""
    head = [f"{pair['a']} → {pair['b']}: {pair['n']} questions about {pair['n_videos']} videos{beside}"]
    if not pair["n"]:
        return [f"{head[0]}: nothing to compare"]
    test = pair["mcnemar"]
    return [
        *head,
        *[f"  differ in {text}" for text in pair["told"] or ["nothing: their recipes are the same"]],
        f"  accuracy {100 * pair['accuracy_a']:.1f} % → {100 * pair['accuracy_b']:.1f} %   difference "
        f"{points(pair['difference'])} points{between(pair['ci'])}",
        f"  McNemar, exact: {test['b']} right only in {pair['a']}, {test['c']} right only in {pair['b']}, "
        f"p = {test['p']:.2g}",
        *changed("better", pair["b"], pair["won"]),
        *changed("worse", pair["b"], pair["lost"]),
        *category_lines(pair),
    ]


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * value:+.1f}"


def between(ci: list[float] | None) -> str:
    """The interval, and what it covers."""
    return f" (95 % {points(ci[0])} to {points(ci[1])}, clustered by video)" if ci else " (no interval: one video)"


def changed(how: str, name: str, ids: Sequence[str]) -> list[str]:
    """Which questions flipped, the first few by name."""
    if not ids:
        return [f"  {how} in {name}: none"]
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return [f"  {how} in {name}: {len(ids)} ({', '.join(ids[:MOST_NAMED])}{more})"]


def category_lines(pair: dict[str, Any]) -> list[str]:
    """The difference by each value of every category."""
    lines: list[str] = []
    for field, values in pair["groups"].items():
        rows = [[field, "n", pair["a"], pair["b"], "points", "95 %", "better", "worse"]]
        for value, one in values.items():
            ci = f"{points(one['ci'][0])} to {points(one['ci'][1])}" if one["ci"] else "–"
            rows.append([value, str(one["n"]), f"{100 * one['accuracy_a']:.1f} %", f"{100 * one['accuracy_b']:.1f} %",
                         points(one["difference"]), ci, str(one["n_won"]), str(one["n_lost"])])
        lines += ["", *("  " + line for line in table(rows, right=(1, 2, 3, 4, 5, 6, 7)))]
    return [*lines, ""] if lines else []

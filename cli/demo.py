"""`strive demo`: the whole pipeline on the built-in world."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import Common, common
from strive.cli.session import default_workers, open_session

EPILOG = "Examples: strive demo --out demo   |   strive demo --out grpo --recipe grpo --seed 1 --json"


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EPILOG)(common(run))


def run(
    options: Common,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the world, the run, the evaluations and the page.")
    ] = Path("demo"),
    recipe: Annotated[str, typer.Option("--recipe", help="strive, grpo, …")] = "strive",
) -> None:
    """Make the world, train on it, measure before and after."""
    import dataclasses

    session = open_session("demo", dataclasses.replace(options, preset=options.preset or "demo"), recipe=recipe)
    from strive.stages.demo.pipeline import DemoJob, plan_lines, run_demo

    job = DemoJob(
        out=out.absolute(),
        config=session.resolved.config,
        store=session.store,
        reporter=session.out,
        workers=options.workers or default_workers(),
        force=options.force,
        sources=session.resolved.sources,
    )
    lines = plan_lines(job)
    if options.dry_run:
        session.finish(lines=lines, fields={"plan": lines}, outputs=outputs(job.out))
    session.out.plan(lines)
    figures, already = run_demo(job)
    count = int(figures["n_eval"])
    session.finish(
        done=0 if already else count,
        cached=count if already else 0,
        fields=figures,
        outputs=outputs(job.out),
        lines=table(figures, job.out, already),
    )


def outputs(out: Path) -> dict[str, Any]:
    """What a demo leaves behind."""
    return {"report": out / "report.html", "run": out / "run", "policy": out / "run" / "policy", "world": out / "world"}


def table(figures: dict[str, Any], out: Path, already: bool) -> list[str]:
    """The figures for people."""

    def percent(name: str) -> str:
        return f"{100 * figures[name]:5.1f} %"

    head = "demo: nothing to do: it is finished. Use --force to redo." if already else "demo: finished."
    return [
        head,
        f"  accuracy   base {percent('base_accuracy')}   trained {percent('trained_accuracy')}   "
        f"chance {percent('chance')}   ceiling {percent('ceiling')}   ({figures['n_eval']} questions)",
        f"  answered   base {percent('base_accuracy_answered')}   trained {percent('trained_accuracy_answered')}",
        f"  format     base {percent('base_format_rate')}   trained {percent('trained_format_rate')}",
        f"  controls   text only {percent('text_only_accuracy')}   blank {percent('blank_accuracy')}   "
        f"swapped {percent('swapped_accuracy')}",
        f"  look at    {out / 'report.html'}",
    ]

"""`strive eval`: measure a policy on a benchmark or on a dataset file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.eval_text import lines_of, plan_lines, scorer_of, shown_otherwise
from strive.cli.options import Common, common
from strive.cli.page import run_page
from strive.cli.session import Session, default_workers, open_session
from strive.cli.table import table
from strive.configs.errors import UsageError

EXAMPLES = (
    "Examples: strive eval --bench demo --data demo --model demo --preset demo --run runs/base"
    " · strive eval --bench videomme --data Video-MME --model Qwen/Qwen2.5-VL-7B-Instruct --run runs/videomme"
    " · strive eval --bench videomme --data Video-MME --protocol lmms-eval --model runs/strive --run runs/as-lmms-eval"
    " · strive eval --bench all --data benchmarks/ --model runs/strive --run runs/all"
    " · strive eval --data eval.jsonl --endpoint http://localhost:8000/v1 --model NAME --run runs/served"
)
PANEL = "What is shown, and how replies are read"


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(run))


def run(
    options: Common,
    bench: Annotated[str | None, typer.Option("--bench", help="Benchmark, or all; see --list.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The benchmark's folder, or a dataset file.")] = None,
    videos: Annotated[Path | None, typer.Option("--videos", help="Folder that a dataset file's videos lie in.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Hugging Face id, folder, run folder, or demo.")] = None,
    folder: Annotated[Path | None, typer.Option("--run", help="Run folder.")] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="URL of an OpenAI-compatible server; --model is its name there.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="strict, official, lmms-eval, vlmevalkit or video-r1.", rich_help_panel=PANEL),
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", help="Frames shown; 0: text only.", min=0, rich_help_panel=PANEL)
    ] = None,
    sampler: Annotated[
        str | None, typer.Option("--sampler", help="uniform, importance, or a sampler.", rich_help_panel=PANEL)
    ] = None,
    control: Annotated[
        str | None, typer.Option("--control", help="none, text_only, blank or swapped.", rich_help_panel=PANEL)
    ] = None,
    shuffle_frames: Annotated[
        bool, typer.Option("--shuffle-frames", help="Show the frames out of order.", rich_help_panel=PANEL)
    ] = False,
    options_shuffled: Annotated[
        bool, typer.Option("--options-shuffled", help="Offer the options in another order.", rich_help_panel=PANEL)
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Allow symbolic links among the videos.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the benchmarks and stop.")] = False,
) -> None:
    """Ask every question and write predictions.jsonl and results.json; the same command again continues."""
    flags = {"model": model, "eval.control": control, "eval.protocol": protocol, "eval.frames": frames,
             "eval.sampler": sampler, "eval.endpoint": endpoint, "eval.shuffle_frames": shuffle_frames or None,
             "eval.options_shuffled": options_shuffled or None}
    session = open_session("eval", options, flags=flags)
    if listed:
        show_list(session)
    data, folder = needed(session, data, folder)
    if bench == "all":
        from strive.cli.eval_all import run_all

        run_all(session, data, folder)
    name, found = read_data(session, bench, data, videos, follow_links)
    measure(session, name, found, folder)


def needed(session: Session, data: Path | None, folder: Path | None) -> tuple[Path, Path]:
    """--data and --run; `UsageError` naming what is missing."""
    given = (("--data", data), ("--model", session.resolved.config.model), ("--run", folder))
    missing = [flag for flag, value in given if not value]
    if missing or data is None or folder is None:
        raise UsageError(
            f"eval: no {', '.join(missing)}", "--bench NAME --data DIR --model M --run DIR", "See `strive eval --help`."
        )
    return data, folder


def measure(session: Session, name: str, data: Any, folder: Path) -> None:
    """One benchmark, from the plan to the summary; leaves."""
    from strive.stages.eval.inquiry import Inquiry
    from strive.stages.eval.stage import run_eval

    job = job_of(session, name, data, folder)
    Inquiry(job.config.eval, data)
    for text in shown_otherwise(session, job.model):
        session.out.warn(text)
    plan = plan_lines(job)
    if session.options.dry_run:
        session.finish(lines=plan, fields={"plan": plan, "n_total": len(data.samples)}, outputs={"run": folder})
    session.out.plan(plan)
    outcome = run_eval(job)
    outputs = {"run": folder, "results": folder / "results.json", "predictions": folder / "predictions.jsonl",
               "report": run_page(session, folder, changed=outcome.done > 0), **outcome.files}
    session.finish(
        done=outcome.done,
        cached=outcome.cached,
        failed=outcome.failed,
        outputs=outputs,
        fields={k: v for k, v in outcome.results.items() if k != "failed"},
        lines=lines_of(outcome, folder, scorer_of(session.resolved.config)),
    )


def job_of(session: Session, name: str, data: Any, folder: Path) -> Any:
    """The `EvalJob` of this command."""
    from strive.stages.eval.stage import EvalJob

    config = session.resolved.config
    return EvalJob(config, session.store, folder, config.model, name, data, session.out,
                   session.options.workers or default_workers(), session.resolved.sources, session.options.force)


def show_list(session: Session) -> None:
    """Name the benchmarks and leave."""
    from strive.stages.eval.benchmarks import ABOUT

    session.finish(
        lines=table([["name", "what it is"], *([name, text] for name, text in ABOUT.items())]),
        fields={"benchmarks": dict(ABOUT)},
    )


def read_data(
    session: Session, bench: str | None, data: Path, videos: Path | None, follow_links: bool
) -> tuple[str, Any]:
    """The benchmark's name and data, cut to --limit."""
    import dataclasses

    from strive.stages.eval.benchmarks import benchmark
    from strive.stages.eval.benchmarks.data import from_dataset

    if bench is None or (data.is_file() and bench == "dataset"):
        if data.is_dir():
            raise UsageError(
                f"{data} is a folder and --bench is not given",
                "--bench NAME, or a dataset file",
                "See `strive eval --list`.",
            )
        name, found = "dataset", from_dataset(data, videos or data.parent, follow_links)
    else:
        reader = benchmark(bench)
        refuse_unused(bench, videos, follow_links)
        name, found = bench, reader(data, session.store.root / "unpacked" / bench)
    return name, dataclasses.replace(found, samples=found.samples[: session.options.limit])


def refuse_unused(bench: str, videos: Path | None, follow_links: bool) -> None:
    """`UsageError` for flags of dataset files: a benchmark's reader knows where its videos are."""
    unused = [flag for flag, given in (("--videos", videos is not None), ("--follow-links", follow_links)) if given]
    if unused:
        raise UsageError(
            f"{' and '.join(unused)} with --bench {bench}",
            "a dataset file, or a benchmark whose videos lie in --data",
            f"Leave out {' and '.join(unused)}, or --bench.",
        )

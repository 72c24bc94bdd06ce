"""`strive eval`: measure a policy on a benchmark or on a dataset file."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import Common, common
from strive.cli.page import run_page
from strive.cli.session import Session, default_workers, open_session
from strive.cli.table import table
from strive.configs.errors import UsageError

EXAMPLES = (
    "Examples: strive eval --bench demo --data demo --model demo --preset demo --run runs/base"
    " · strive eval --bench videomme --data Video-MME --model Qwen/Qwen2.5-VL-7B-Instruct --run runs/videomme"
    " · strive eval --data eval.jsonl --videos videos/ --model runs/strive --run runs/strive-eval"
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(run))


def run(
    options: Common,
    bench: Annotated[str | None, typer.Option("--bench", help="Benchmark; see --list.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The benchmark's folder, or a dataset file.")] = None,
    videos: Annotated[Path | None, typer.Option("--videos", help="Folder that a dataset file's videos lie in.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Hugging Face id, folder, run folder, or demo.")] = None,
    folder: Annotated[Path | None, typer.Option("--run", help="Run folder.")] = None,
    control: Annotated[str | None, typer.Option("--control", help="none, text_only, blank or swapped.")] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Allow symbolic links among the videos.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the benchmarks and stop.")] = False,
) -> None:
    """Ask every question and write predictions.jsonl and results.json; the same command again continues."""
    session = open_session("eval", options, flags={"model": model, "eval.control": control})
    if listed:
        show_list(session)
    chosen = session.resolved.config.model
    missing = [flag for flag, value in (("--data", data), ("--model", chosen), ("--run", folder)) if not value]
    if missing or data is None or folder is None:
        raise UsageError(
            f"eval: no {', '.join(missing)}", "--bench NAME --data DIR --model M --run DIR", "See `strive eval --help`."
        )
    name, bench_data = read_data(session, bench, data, videos, follow_links)
    from strive.stages.eval.stage import EvalJob, run_eval

    job = EvalJob(
        session.resolved.config,
        session.store,
        folder,
        chosen,
        name,
        bench_data,
        session.out,
        options.workers or default_workers(),
        session.resolved.sources,
        options.force,
    )
    for text in shown_otherwise(session, chosen):
        session.out.warn(text)
    plan = plan_lines(job)
    if options.dry_run:
        session.finish(lines=plan, fields={"plan": plan, "n_total": len(bench_data.samples)}, outputs={"run": folder})
    session.out.plan(plan)
    outcome = run_eval(job)
    outputs = {"run": folder, "results": folder / "results.json", "predictions": folder / "predictions.jsonl"}
    outputs["report"] = run_page(session, folder, changed=outcome.done > 0)
    fields = {k: v for k, v in outcome.results.items() if k != "failed"}
    session.finish(
        done=outcome.done,
        cached=outcome.cached,
        failed=outcome.failed,
        outputs=outputs,
        fields=fields,
        lines=lines_of(outcome, folder, scorer_of(session.resolved.config)),
    )


def shown_otherwise(session: Session, model: str) -> list[str]:
    """What a run of ours was trained with and is now measured without."""
    record = Path(model).expanduser() / "run.json"
    try:
        trained = json.loads(record.read_bytes())["train"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    settings = session.resolved.config.eval
    return [f"{model} was trained with train.{key}={trained[key]} and is measured with eval.{key}="
            f"{getattr(settings, key)}: set eval.{key}={trained[key]} to show it the same way"
            for key in ("prompt_format", "time_text", "frame_pairing")
            if key in trained and trained[key] != getattr(settings, key)]


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


def plan_lines(job: Any) -> list[str]:
    """What will be asked of whom, before any work."""
    from strive.stages.eval.answering.choosing import described
    from strive.stages.eval.answering.footage import chosen_by

    settings, chosen = job.config.eval, chosen_by(job.config, job.store)
    videos = len({sample.video for sample in job.data.samples})
    shown = (
        "no video (text only)" if settings.control == "text_only" else f"{settings.frames} {settings.sampler} frames"
    )
    control = "" if settings.control in ("none", "text_only") else f", control {settings.control}"
    decoding = "greedy" if settings.temperature == 0 else f"temperature {settings.temperature:g}"
    return [
        f"eval     {len(job.data.samples):>6} questions  {videos:>6} videos  bench {job.bench}",
        f"         model {job.model}; {shown}{control}, at most {settings.max_pixels} pixels each; "
        f"prompt {settings.prompt_format}; {decoding}, at most {settings.max_new_tokens} new tokens; "
        f"protocol {settings.protocol}",
        *([f"         frames chosen for each question by {described(chosen)}, eval.seed {settings.seed}, on "
           f"{scorer_of(job.config)}; embed and score run first, where they are not cached"] if chosen else []),
    ]


def scorer_of(config: Any) -> str:
    """The scorer for people."""
    name = f"{config.score.scorer} {config.score.model}" if config.score.scorer == "clip" else config.score.scorer
    return f"scores of {name} ({config.score.text})"


def lines_of(outcome: Any, folder: Path, scorer: str) -> list[str]:
    """The figures for people, unread replies and undecodable videos beside them."""
    found = outcome.results
    ci = f" (95 % {100 * found['ci'][0]:.1f}–{100 * found['ci'][1]:.1f})" if found["ci"] else ""
    chance = f"   chance {percent(found['chance'])}" if found["chance"] is not None else ""
    shown = shown_by(found["recipe"], scorer)
    apart = ("unparsed", "ambiguous", "truncated", "empty", "undecodable", "too_large", *(["unscored"] * bool(shown)))
    counts = [f"{found[f'n_{name}']} {name.replace('_', ' ')}" for name in apart]
    state = (
        "nothing to do: all questions are answered; use --force to redo"
        if not outcome.done and not outcome.failed
        else (f"{outcome.done} answered, {outcome.cached} from before, {len(outcome.failed)} failed")
    )
    lines = [
        f"eval: {state}",
        f"  accuracy {percent(found['accuracy'])}{ci}   of {found['n']} questions{chance}   "
        f"format {percent(found['format_rate'])}",
        f"  accuracy of the {found['n_answered']} read replies {percent(found['accuracy_answered'])}   "
        f"{', '.join(counts)}",
        *shown,
    ]
    for field, values in found["groups"].items():
        rows = [
            [field, "n", "accuracy"],
            *([value, str(one["n"]), percent(one["accuracy"])] for value, one in values.items()),
        ]
        lines += ["", *("  " + line for line in table(rows, right=(1, 2)))]
    return [*lines, f"  {folder / 'results.json'}"]


def shown_by(recipe: dict[str, Any], scorer: str) -> list[str]:
    """A line for figures on frames that are not the uniform ones, which they must not be mixed up with."""
    from strive.stages.eval.answering.choosing import described, of_recipe

    chosen = of_recipe(recipe)
    if not chosen:
        return []
    return [f"  frames chosen for each question by {described(chosen)}, eval.seed {recipe['eval.seed']}, on {scorer}"]


def percent(value: float | None) -> str:
    """A share for people."""
    return "–" if value is None else f"{100 * value:.1f} %"

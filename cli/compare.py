"""`strive compare`: recipes x seeds with the same number of generated rollouts, their figures on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strive.cache.store import Store
from strive.cli.options import Common, common
from strive.cli.output import Output
from strive.cli.session import Session, cache_folder
from strive.cli.table import table
from strive.configs.errors import UsageError
from strive.configs.load import Resolved

if TYPE_CHECKING:
    from strive.stages.compare.material import Material
    from strive.stages.compare.plan import Plan
    from strive.stages.compare.recipes import Layers

EXAMPLES = (
    "Examples: strive compare grpo strive --quick --out quick · strive compare grpo strive strive_random --seeds 5"
    " --out compare · strive compare grpo grpo:train.learning_rate=3e-5 --seeds 3 --out lr"
    " · strive compare grpo strive --data train.jsonl --videos videos/ --eval-data eval.jsonl --model"
    " Qwen/Qwen2.5-VL-3B-Instruct --out runs/compare"
)
QUICK = ("demo.train_videos=16", "demo.eval_videos=10", "train.steps=6", "train.prompts_per_step=4")
RECIPES_HELP = "Recipe name, YAML file, or either with changes: NAME:KEY=VALUE,KEY=VALUE."


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(run))


def run(
    options: Common,
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help=RECIPES_HELP)],
    out: Annotated[Path, typer.Option("--out", help="Folder of the comparison; the same folder goes on with it.")],
    seeds: Annotated[str | None, typer.Option("--seeds", help="How many (5 is 0 to 4), or a range: 3:8.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Questions to train on; default: the demo world.")] = None,
    videos: Annotated[Path | None, typer.Option("--videos", help="Their videos; default: the file's folder.")] = None,
    eval_data: Annotated[Path | None, typer.Option("--eval-data", help="Held-out questions.")] = None,
    eval_videos: Annotated[Path | None, typer.Option("--eval-videos", help="Their videos; default: --videos.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Hugging Face id, folder, run folder, or demo.")] = None,
    baseline: Annotated[str | None, typer.Option("--baseline", help="Default: grpo, else the first recipe.")] = None,
    points: Annotated[int, typer.Option("--points", help="Evaluations during a run, the last at its end.", min=1)] = 4,
    groups: Annotated[int, typer.Option("--groups", help="Groups of each question at the base policy.", min=0)] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke version: small world, few steps, 2 seeds.")] = False,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Allow links among the videos.")] = False,
) -> None:
    """Train every recipe with every seed, measure all alike, write OUT/compare.html and OUT/compare.json."""
    if options.seed is not None:
        raise UsageError("compare: --seed", "--seeds N or --seeds A:B",
                         f"Use --seeds {options.seed}:{options.seed + 1}.")
    from strive.stages.compare.plan import make_plan, plan_lines, read_seeds
    from strive.stages.compare.recipes import read_recipes

    asked, layers = read_recipes(recipes), layers_of(options, quick, data, model)
    plan = make_plan(asked, layers, read_seeds(seeds or ("2" if quick else "5")), baseline=baseline, points=points,
                     rounds=groups)
    session = session_of(options, plan)
    material = material_of(options, out, data, videos, eval_data, eval_videos, follow_links)
    from strive.stages.compare.stage import CompareJob, check_arms, run_compare

    check_arms(plan, session.out)
    lines = plan_lines(plan)
    if options.dry_run:
        session.finish(lines=lines, fields={"plan": lines, **plan_fields(plan)}, outputs=outputs(out))
    session.out.plan(lines[:len(lines) - len(plan.warnings)])
    for text in plan.warnings:
        session.out.warn(text)
    job = CompareJob(plan, material, out.absolute(), session.store, session.out, options.workers, options.force,
                     options.fail_fast)
    found = run_compare(job)
    head = (f"compare: {found.done} runs done, {found.cached} from before, {len(found.failed)} failed."
            if found.done or found.failed else "compare: nothing to do: all runs are there. Use --force to start over.")
    shown = [head, *result_lines(found.summary), f"  look at {out / 'compare.html'}"]
    session.finish(done=found.done, cached=found.cached, failed=found.failed, outputs=outputs(out),
                   fields={"summary": without_curves(found.summary)}, lines=shown)


def layers_of(options: Common, quick: bool, data: Path | None, model: str | None) -> "Layers":
    """What is laid under and over all recipes; without data of one's own, the preset is demo."""
    from strive.stages.compare.recipes import Layers

    preset = options.preset or (None if data else "demo")
    return Layers(preset, options.config, QUICK if quick else (), options.sets, {"model": model})


def session_of(options: Common, plan: "Plan") -> Session:
    """The command's printer and cache."""
    if not plan.base.config.model:
        raise UsageError("compare: no model", "--model with a Hugging Face id, a folder, a run folder or demo",
                         "Try --model demo --preset demo.")
    resolved = Resolved(plan.base.config, dict(plan.base.sources))
    return Session("compare", options, resolved, Store(cache_folder(options)), Output("compare", options))


def material_of(options: Common, out: Path, data: Path | None, videos: Path | None, eval_data: Path | None,
                eval_videos: Path | None, follow_links: bool) -> "Material":
    """The questions; `UsageError` for flags that do not go together."""
    from strive.stages.compare.layout import Layout
    from strive.stages.compare.material import Material, demo_world

    if data is None:
        given = [flag for flag, value in (("--videos", videos), ("--eval-data", eval_data),
                                          ("--eval-videos", eval_videos)) if value is not None]
        if given:
            raise UsageError(f"{' and '.join(given)} without --data", "--data FILE, or the demo world",
                             f"Add --data FILE, or leave out {' and '.join(given)}.")
        return demo_world(Layout(out.absolute()), options.limit)
    if eval_data is None:
        raise UsageError("compare: --data without --eval-data", "held-out questions to measure on",
                         "Add --eval-data FILE.")
    folder = (videos or data.parent).absolute()
    shown = (eval_videos or videos or eval_data.parent).absolute()
    return Material(data.absolute(), folder, eval_data.absolute(), shown, follow_links, options.limit)


def outputs(out: Path) -> dict[str, Any]:
    """What a comparison leaves behind."""
    return {"page": out / "compare.html", "figures": out / "compare.json", "runs": out / "runs"}


def without_curves(summary: dict[str, Any]) -> dict[str, Any]:
    """The figures without what has a value for each step: that is in compare.json."""
    return {key: value for key, value in summary.items() if key not in ("curves", "train")}


def plan_fields(plan: "Plan") -> dict[str, Any]:
    """The plan for programs."""
    arms = [{"name": entry.arm.name, "settings": dict(entry.arm.settings), "steps": entry.arm.steps,
             "generated_rollouts": entry.arm.generated, "trained_rollouts": entry.arm.trained,
             "variants": entry.arm.variants, "generations": entry.arm.generations} for entry in plan.entries]
    return {"arms": arms, "seeds": plan.seeds, "baseline": plan.baseline, "runs": len(arms) * len(plan.seeds),
            "budget": {"generated_rollouts": plan.budget}, "warnings": list(plan.warnings)}


def result_lines(summary: dict[str, Any]) -> list[str]:
    """Held-out accuracy of each recipe on both views, with its difference to the baseline in percentage points."""
    from strive.stages.compare.figures.wording import percent

    rows = [["recipe", "uniform", "difference", "importance", "difference"]]
    before = [percent(summary["base"].get(view, {}).get("accuracy")) for view in ("uniform", "importance")]
    rows.append(["before training", before[0], "", before[1], ""])
    for arm in summary["arms"]:
        views = summary["results"][arm["name"]]["views"]
        cells = [figure(views.get(view, {})) for view in ("uniform", "importance")]
        rows.append([arm["name"], *(part for pair in cells for part in pair)])
    return ["  " + line for line in table(rows, right=(1, 2, 3, 4))]


def figure(view: dict[str, Any]) -> tuple[str, str]:
    """A mean, and a difference with its interval, empty for the baseline."""
    from strive.stages.compare.figures.wording import difference, percent

    gap = difference(view["difference"]) if "difference" in view else ""
    return percent(view.get("accuracy", {}).get("mean")), gap

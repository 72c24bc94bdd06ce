"""What `strive eval` says: the plan before, the figures with everything they depend on after."""

import json
from pathlib import Path
from typing import Any

from strive.cli.session import Session
from strive.cli.table import table

MOST_FAILED = 5
APART = ("unparsed", "ambiguous", "truncated", "empty", "unscorable", "undecodable", "too_large")


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


def plan_lines(job: Any) -> list[str]:
    """What will be asked of whom, before any work."""
    from strive.stages.eval.answering.choosing import described
    from strive.stages.eval.answering.footage import chosen_by

    settings, chosen = job.config.eval, chosen_by(job.config, job.store)
    videos = len({sample.video for sample in job.data.samples})
    served = f" at {settings.endpoint}, {settings.concurrency} questions at once" if settings.endpoint else ""
    return [
        f"eval     {len(job.data.samples):>6} questions  {videos:>6} videos  bench {job.bench}",
        f"         model {job.model}{served}; {conditions({f'eval.{k}': v for k, v in settings})}",
        *([f"         frames chosen for each question by {described(chosen)}, eval.seed {settings.seed}, on "
           f"{scorer_of(job.config)}; embed and score run first, where they are not cached"] if chosen else []),
    ]


def conditions(recipe: dict[str, Any]) -> str:
    """What a figure depends on: what was shown, how it was asked, how replies were made and read."""
    control, greedy = recipe["eval.control"], recipe["eval.temperature"] == 0
    shown = "no video (text only)" if control == "text_only" else (
        f"{recipe['eval.frames']} {recipe['eval.sampler']} frames, at most {recipe['eval.max_pixels']} pixels each")
    changed = [f"control {control}"] if control not in ("none", "text_only") else []
    mixed = {"shuffle_frames": "frames shuffled", "options_shuffled": "options shuffled"}
    changed += [text for key, text in mixed.items()
                if recipe.get(f"eval.{key}")]
    strict = recipe["eval.protocol"] == "strict"
    prompt = f"prompt {recipe['eval.prompt_format']}" if strict else f"prompt of {recipe['eval.protocol']}"
    decoding = "greedy" if greedy else f"temperature {recipe['eval.temperature']:g}"
    most = f"at most {recipe['eval.max_new_tokens']} new tokens"
    return (f"{', '.join([shown, *changed])}; {prompt}; {decoding}, {most}; "
            f"protocol {recipe['eval.protocol']}")


def scorer_of(config: Any) -> str:
    """The scorer for people."""
    name = f"{config.score.scorer} {config.score.model}" if config.score.scorer == "clip" else config.score.scorer
    return f"scores of {name} ({config.score.text})"


def lines_of(outcome: Any, folder: Path, scorer: str) -> list[str]:
    """The figures for people: what they depend on, unread replies and undecodable videos beside them."""
    found = outcome.results
    ci = f" (95 % {100 * found['ci'][0]:.1f}–{100 * found['ci'][1]:.1f})" if found["ci"] else ""
    chance = f"   chance {percent(found['chance'])}" if found["chance"] is not None else ""
    formed = f"   format {percent(found['format_rate'])}" if found["format_rate"] is not None else ""
    left_out = f", {found['n_left_out']} left out by the protocol" if found["n_left_out"] else ""
    shown = shown_by(found["recipe"], scorer)
    counts = [f"{found[f'n_{name}']} {name.replace('_', ' ')}" for name in (*APART, *(["unscored"] * bool(shown)))]
    state = (
        "nothing to do: all questions are answered; use --force to redo"
        if not outcome.done and not outcome.failed
        else (f"{outcome.done} answered, {outcome.cached} from before, {len(outcome.failed)} failed")
    )
    return [
        f"eval: {state}",
        f"  {found['bench']}: {conditions(found['recipe'])}",
        f"  model {found['model']} ({found['recipe']['model'][:19]})",
        f"  accuracy {percent(found['accuracy'])}{ci}   of {found['n']} questions{left_out}{chance}{formed}",
        f"  accuracy of the {found['n_answered']} read replies {percent(found['accuracy_answered'])}   "
        f"{', '.join(counts)}",
        *shown,
        *headline(found.get("headline") or {}),
        *tables(found["groups"]),
        *failures(outcome.failed),
        *(f"  {name}: {path}" for name, path in outcome.files.items()),
        f"  {folder / 'results.json'}",
    ]


def failures(failed: list[dict[str, str]]) -> list[str]:
    """What failed and why, the first few by name: an exit code 3 must not send its reader to a file."""
    more = len(failed) - MOST_FAILED
    return [*(f"  failed: {one['id']}: {one['reason']}" for one in failed[:MOST_FAILED]),
            *([f"  failed: {more} more (--json names all)"] if more > 0 else [])]


def headline(figures: dict[str, Any]) -> list[str]:
    """The benchmark's published metrics; notes as sentences."""
    numbers = {name: value for name, value in figures.items() if value is None or isinstance(value, int | float)}
    rows = [[name.replace("_", " "), percent(value)] for name, value in numbers.items()]
    notes = [f"  {value}" for name, value in figures.items() if isinstance(value, str)]
    lines = ["  " + line for line in table([["as published", ""], *rows], right=(1,))] if rows else []
    return [*([""] if lines else []), *lines, *notes]


def tables(groups: dict[str, Any]) -> list[str]:
    """Accuracy by each category."""
    lines: list[str] = []
    for field, values in groups.items():
        rows = [
            [field, "n", "accuracy"],
            *([value, str(one["n"]), percent(one["accuracy"])] for value, one in values.items()),
        ]
        lines += ["", *("  " + line for line in table(rows, right=(1, 2)))]
    return [*lines, ""] if lines else []


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

"""Figures of comparisons as Markdown: `python -m strive.stages.compare.figures.tables DIR... [--table NAME]`."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError, StriveError, VerificationError
from strive.stages.compare.figures import reading, wording
from strive.stages.compare.figures.summary import FORMAT

Summary = Mapping[str, Any]


def read_summary(path: Path) -> dict[str, Any]:
    """compare.json of a comparison's folder, or that file itself.

    Raises `MissingError` when it is not there, `VerificationError` when it is not of this format.
    """
    file = path / "compare.json" if path.is_dir() else path
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise MissingError(f"{file}: {error.strerror}", "the folder of a finished comparison",
                           "strive compare RECIPE... --out DIR") from error
    except ValueError as error:
        raise VerificationError(f"{file}: not JSON ({error})", "what strive compare wrote",
                                "run strive compare again with the same --out") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise VerificationError(f"{file}: format {found.get('format') if isinstance(found, dict) else None!r}", FORMAT,
                                "run strive compare again with the same --out")
    return found


def headline(summary: Summary) -> str:
    """Accuracy on each view, area under the learning curve, rollouts."""
    views = reading.views_of(summary)
    named = [reading.VIEW_NAMES.get(view, view) for view in views]
    head = ["recipe", "V × G", "generated", "trained on", *named, "area"]
    base = ["base policy", "", "", "", *(wording.percent((summary["base"].get(view) or {}).get("accuracy"))
                                         for view in views), ""]
    rows = [[arm["name"], f"{arm['variants']} × {arm['generations']}", f"{arm['generated_rollouts']:,}",
             f"{arm['trained_rollouts']:,}",
             *(wording.share(row["views"].get(view, {}).get("accuracy")) for view in views), wording.share(row["area"])]
            for arm, row in arms(summary)]
    return markdown(head, [base, *rows])


def differences(summary: Summary) -> str:
    """Difference of accuracy to the baseline on each view: over seeds with p and Holm's p, and over questions."""
    head = ["recipe", "view", f"difference to {summary['baseline']} [95 % over seeds]", "n", "p", "Holm p",
            "[95 % over questions]"]
    rows = []
    for view in reading.views_of(summary):
        for name, found in reading.differences(summary, view).items():
            rows.append([name, view, wording.difference(found), str(found["n"]), wording.probability(found["p"]),
                         wording.probability(found["holm"]), interval(found["over_questions"])])
    return markdown(head, rows)


def training(summary: Summary) -> str:
    """What training looked like and cost."""
    head = ["recipe", "steps", "zero-variance groups", "reward variance within", "between", "agreement",
            "visual tokens a step", "seconds a step", "wall-clock a run"]
    rows = []
    for arm, row in arms(summary):
        time = summary["timing"]["arms"][arm["name"]]
        rows.append([arm["name"], str(arm["steps"]), wording.share(row["zero_std"]),
                     wording.amount(row["reward_var_within"]), wording.amount(row["reward_var_between"]),
                     wording.share(row["agreement"]), wording.amount(row["visual_tokens_per_step"]),
                     wording.amount(time["step_s"]), wording.duration(time["seconds"]["mean"])])
    return markdown(head, rows)


def families(summary: Summary) -> str:
    """Each family's accuracy with its difference to the baseline, a row a recipe and view."""
    names = sorted({name for _, row in arms(summary) for view in row["views"].values() for name in view["families"]})
    rows = []
    for view in reading.views_of(summary) if names else []:
        base = (summary["base"].get(view) or {}).get("families", {})
        rows.append(["base policy", view, *(wording.percent(base.get(name)) for name in names)])
        for arm, row in arms(summary):
            found = row["views"].get(view, {}).get("families", {})
            rows.append([arm["name"], view, *(family(found.get(name)) for name in names)])
    return markdown(["recipe", "view", *(name or "(none)" for name in names)], rows)


def groups(summary: Summary) -> str:
    """Zero-variance groups of the base policy."""
    rows = []
    for arm, _ in arms(summary):
        if (found := summary["groups"].get(arm["name"])) is not None:
            gap = found.get("difference")
            known = [wording.percent(found.get(name)) for name in ("accuracy", "all_right", "all_wrong")]
            rows.append([arm["name"], f"{found['n']:,}", f"{found['questions']:,}", known[0],
                         wording.share(found["zero_std"]), *known[1:],
                         "" if gap is None else wording.difference(gap),
                         "" if gap is None else wording.probability(gap["p"])])
    return markdown(["recipe", "groups", "questions", "accuracy", "zero-variance share", "all right", "all wrong",
                     f"difference to {summary['baseline']} [95 %, clustered by video]", "p"], rows)


def pairs(summary: Summary) -> str:
    """Differences of accuracy between recipes neither of which is the baseline."""
    rows = [[one["arm"], one["other"], view, wording.difference(one), wording.probability(one["p"])]
            for view in reading.views_of(summary) for one in summary["pairs"].get(view, [])]
    return markdown(["recipe", "against", "view", "difference [95 % over seeds]", "p, not adjusted"], rows)


def sentences(summary: Summary) -> str:
    """What the figures show and do not show."""
    return "\n".join(f"* {one}" for one in [*reading.shown(summary), *reading.limits(summary)])


TABLES: dict[str, Callable[[Summary], str]] = {
    "headline": headline, "differences": differences, "training": training, "families": families, "groups": groups,
    "pairs": pairs, "reading": sentences,
}


def arms(summary: Summary) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each arm with its results, in the order of the comparison."""
    return [(arm, summary["results"][arm["name"]]) for arm in summary["arms"]]


def family(found: Mapping[str, Any] | None) -> str:
    """Accuracy, and in brackets the difference to the baseline."""
    if found is None:
        return wording.NONE
    gap = found.get("difference")
    return wording.share(found) + (f" ({wording.points(gap['mean'])})" if gap and gap["mean"] is not None else "")


def interval(found: Mapping[str, Any]) -> str:
    """An interval in percentage points."""
    if found["ci"] is None:
        return wording.NONE
    low, high = found["ci"]
    return f"[{wording.points(low)}, {wording.points(high)}]"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; "" without rows. Bars in names are escaped."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |"
                     for line in lines)


def main(words: Sequence[str]) -> str:
    """The asked-for tables of each comparison, one below the other."""
    parser = argparse.ArgumentParser(prog="python -m strive.stages.compare.figures.tables", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folder or compare.json of a comparison")
    parser.add_argument("--table", action="append", choices=list(TABLES), help="may be repeated; default: all")
    asked = parser.parse_args(words)
    parts = []
    for folder in asked.folders:
        summary = read_summary(folder)
        made = [TABLES[name](summary) for name in asked.table or TABLES]
        parts += [f"### {folder.stem if folder.is_file() else folder.name}"] * (len(asked.folders) > 1)
        parts += [one for one in made if one]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]))
    except StriveError as error:
        sys.exit(str(error))

"""What the figures of a comparison show and do not show, in sentences that follow from the figures alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from strive.stages.compare.figures.wording import difference, points, probability

VIEW_NAMES = {"uniform": "uniform view", "importance": "importance-sampled view"}


def shown(summary: Mapping[str, Any]) -> list[str]:
    """Which differences are told from 0, view by view, before and after adjustment, and what the base policy's groups
    say."""
    return [*(sentence for view in views_of(summary) for sentence in on_view(summary, view)),
            *adjusted(summary), *groups(summary)]


def limits(summary: Mapping[str, Any]) -> list[str]:
    """What no figure of the page covers."""
    seeds, asked = len(summary["seeds"]), questions_asked(summary)
    same = f"the same {asked} questions" if asked else "the same questions"
    found = [
        f"Intervals and p-values over seeds (Student t, paired by seed, {seeds} seed{'s' if seeds != 1 else ''}) say "
        f"what other seeds would give on {same}. They do not cover other questions, data, models or budgets.",
        "Intervals over questions say what other videos with questions of the same kind would give for these very "
        "policies: they are clustered by video. They do not cover other seeds.",
        "Zero-variance shares and reward variances during training are measured on policies that have drifted apart: "
        "they describe the runs and prove nothing by themselves. Only groups of the base policy compare like with "
        "like.",
        "An interval that holds 0 is not evidence of equality: it says how large a difference could have been missed.",
    ]
    if seeds == 1:
        found[0] = f"One seed: nothing here says what another seed would give, even on {same}."
    return found + unlike(summary) + unfinished(summary)


def on_view(summary: Mapping[str, Any], view: str) -> list[str]:
    """One sentence for the differences told from 0 and one for the others."""
    above: list[str] = []
    below: list[str] = []
    inside: list[str] = []
    none: list[str] = []
    for name, found in differences(summary, view).items():
        if found["mean"] is None:
            continue
        told = f"{name} {difference(found)}" + ("" if found["p"] is None else f", p {probability(found['p'])}")
        if found["ci"] is None:
            none.append(told)
        else:
            (above if found["ci"][0] > 0 else below if found["ci"][1] < 0 else inside).append(told)
    parts = [f"{label}: {'; '.join(names)}" for label, names in (
        ("above 0", above), ("below 0", below), ("with 0 inside", inside), ("without an interval", none)) if names]
    if not parts:
        return []
    return [f"On the {VIEW_NAMES.get(view, view)}, difference to {summary['baseline']} in percentage points with its "
            f"95 % interval over seeds. {'. '.join(part[0].upper() + part[1:] for part in parts)}."]


def adjusted(summary: Mapping[str, Any]) -> list[str]:
    """How many tests were made and which of them survive their number."""
    count = summary["comparisons"]
    if count == 0:
        return []
    kept = [f"{name} ({VIEW_NAMES.get(view, view)}, {points(found['mean'])}, {probability(found['holm'])})"
            for view in views_of(summary) for name, found in differences(summary, view).items()
            if found["holm"] is not None and found["holm"] < 0.05]
    expected = f"{0.05 * count:.2g}"
    first = (f"{count} difference{'s' if count > 1 else ''} of accuracy to the baseline "
             f"{'were' if count > 1 else 'was'} tested; if no recipe differed, {expected} p-values below 0.05 would be "
             "expected by chance.")
    rest = f"Below 0.05 after Holm's adjustment for that number: {', '.join(kept) if kept else 'none'}."
    return [f"{first} {rest} No other figure is adjusted."]


def groups(summary: Mapping[str, Any]) -> list[str]:
    """The base policy's groups."""
    told = [f"{name} {difference(row['difference'])}, p {probability(row['difference']['p'])}, "
            f"{row['difference']['n']:,} pairs"
            for name in (arm["name"] for arm in summary["arms"])
            if "difference" in (row := summary["groups"].get(name, {})) and row["difference"]["mean"] is not None]
    if not told:
        return []
    return ["Groups of the base policy whose rewards are all equal, difference of their share to "
            f"{summary['baseline']} in percentage points, paired by question and round, interval clustered by "
            f"video: {'; '.join(told)}."]


def unlike(summary: Mapping[str, Any]) -> list[str]:
    """Arms that did not spend alike."""
    generated = {arm["generated_rollouts"] for arm in summary["arms"]}
    trained = {arm["trained_rollouts"] for arm in summary["arms"]}
    found = []
    if len(generated) > 1:
        found.append(f"Generated rollouts differ between the recipes ({min(generated):,} to {max(generated):,}): "
                     "only whole steps can be made.")
    if len(trained) > 1:
        found.append(f"Rollouts trained on differ ({min(trained):,} to {max(trained):,}): the budget counts what is "
                     "generated.")
    return found


def unfinished(summary: Mapping[str, Any]) -> list[str]:
    """Runs that are missing, and what that does to the pairs."""
    count = sum(one["seed"] >= 0 for one in summary["failed"])  # the others are not trained
    if not count:
        return []
    return [f"{count} run{'s' if count > 1 else ''} did not finish: differences are paired over the seeds that both "
            "recipes have. If runs fail where a recipe does badly, what is left flatters it."]


def differences(summary: Mapping[str, Any], view: str) -> dict[str, Mapping[str, Any]]:
    """Arm -> its difference of accuracy to the baseline on a view."""
    found = {arm["name"]: summary["results"][arm["name"]]["views"].get(view, {}) for arm in summary["arms"]}
    return {name: row["difference"] for name, row in found.items() if "difference" in row}


def views_of(summary: Mapping[str, Any]) -> Sequence[str]:
    """The views that were evaluated, the uniform one first."""
    seen = {view for row in summary["results"].values() for view in row["views"]}
    return [*(view for view in VIEW_NAMES if view in seen), *sorted(seen - set(VIEW_NAMES))]


def questions_asked(summary: Mapping[str, Any]) -> int:
    """Held-out questions on the uniform view."""
    return int((summary["base"].get("uniform") or {}).get("n") or 0)

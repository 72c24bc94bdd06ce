"""The content of compare.json: every figure of a comparison with its interval, its difference and what it covers."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

from strive.stages.compare.figures import measured
from strive.stages.compare.figures.measured import Runs
from strive.stages.compare.figures.statistics import Estimate, clustered, estimate, holm, paired
from strive.stages.compare.figures.traces import learning_curves, training_curves
from strive.stages.compare.results import VIEWS, Arm, Comparison, RunResult

FORMAT = "strive.compare/1"
DIGITS = 12
Values = list[float | None]


def summarise(comparison: Comparison) -> dict[str, Any]:
    """All figures, floats with 12 significant digits; only `timing` depends on anything but the comparison's results.

    Lists named `values` have a place for each of `seeds`, null where the run did not finish or did not measure it. A
    difference is paired over the seeds that both arms have (`n`).
    """
    runs = measured.runs_of(comparison)
    arms = {arm.name: arm for arm in comparison.arms}
    results = {name: arm_figures(comparison, runs, arm) for name, arm in arms.items()}
    compared = adjust(results)
    content = {
        "format": FORMAT, "baseline": comparison.baseline, "seeds": list(comparison.seeds),
        "budget": {"generated_rollouts": comparison.budget}, "arms": [described(arm) for arm in comparison.arms],
        "base": base_figures(comparison), "results": results, "pairs": other_pairs(comparison, runs),
        "comparisons": compared, "curves": learning_curves(comparison, runs),
        "train": training_curves(comparison, runs), "groups": group_figures(comparison),
        "failed": sorted((dict(one) for one in comparison.failed), key=lambda one: (one["arm"], one["seed"])),
        "timing": {**comparison.timing, "arms": timings(comparison, runs)},
    }
    return {key: rounded(value) for key, value in content.items()}


def described(arm: Arm) -> dict[str, Any]:
    """An arm as it was asked for."""
    return {"name": arm.name, "settings": dict(sorted(arm.settings.items())), "steps": arm.steps,
            "generated_rollouts": arm.generated, "trained_rollouts": arm.trained, "variants": arm.variants,
            "generations": arm.generations}


def arm_figures(comparison: Comparison, runs: Runs, arm: Arm) -> dict[str, Any]:
    """Accuracy on each view, area under the learning curve, and what training looked like."""
    base = base_accuracy(comparison, "uniform")
    arms = {one.name: one for one in comparison.arms}
    figures: dict[str, Callable[[RunResult], float | None]] = {
        name: partial(measured.mean_of, metric=metric) for name, metric in measured.METRICS.items()
    }
    figures["area"] = lambda run: measured.area_of(run, arms[run.arm], base)
    figures["agreement"] = measured.agreement
    return {"views": {view: view_figures(comparison, runs, arm, view) for view in views(comparison)},
            **{name: figure(comparison, runs, arm.name, of) for name, of in figures.items()}}


def view_figures(comparison: Comparison, runs: Runs, arm: Arm, view: str) -> dict[str, Any]:
    """On one view: accuracy, what training added, the difference to the baseline, and the same for each family."""
    found = figure(comparison, runs, arm.name, partial(measured.accuracy, view=view))
    difference = found.pop("difference", None)
    base, values = base_accuracy(comparison, view), found["values"]
    gain = [None if value is None or base is None else value - base for value in values]
    made = {"accuracy": found, "gain": over_seeds(gain), "families": family_figures(comparison, runs, arm, view)}
    if difference is not None:
        difference["over_questions"] = over_questions(comparison, runs, arm.name, view)
        made["difference"] = difference
    return made


def figure(comparison: Comparison, runs: Runs, arm: str, of: Callable[[RunResult], float | None]) -> dict[str, Any]:
    """One number a run: over the seeds, and paired with the baseline's."""
    values = by_seed(comparison, runs, arm, of)
    found = over_seeds(values)
    if arm != comparison.baseline:
        found["difference"] = against(values, by_seed(comparison, runs, comparison.baseline, of))
    return found


def by_seed(comparison: Comparison, runs: Runs, arm: str, of: Callable[[RunResult], float | None]) -> Values:
    """`of` each run of an arm, None for those that are missing."""
    found = [runs.get((arm, seed)) for seed in comparison.seeds]
    return [None if run is None else of(run) for run in found]


def over_seeds(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean, interval and spread over the seeds that have a value."""
    found = estimate([value for value in values if value is not None])
    return {**plain(found), "values": list(values)}


def against(values: Sequence[float | None], others: Sequence[float | None]) -> dict[str, Any]:
    """The paired difference over the seeds that both have."""
    pairs = [(a, b) for a, b in zip(values, others, strict=True) if a is not None and b is not None]
    found = paired([a for a, _ in pairs], [b for _, b in pairs])
    gaps = [None if a is None or b is None else a - b for a, b in zip(values, others, strict=True)]
    return {**plain(found), "p": found.p, "values": gaps}


def plain(found: Estimate) -> dict[str, Any]:
    """An estimate as JSON; a note only where there is one."""
    made: dict[str, Any] = {"mean": found.mean, "ci": None if found.ci is None else list(found.ci), "sd": found.sd,
                            "n": found.n}
    return {**made, "note": found.note} if found.note else made


def over_questions(comparison: Comparison, runs: Runs, arm: str, view: str) -> dict[str, Any]:
    """The interval of the difference over questions, the policies as they are, clustered by video."""
    pairs = [(mine.scores.get(view) or {}, theirs.scores.get(view) or {}) for seed in comparison.seeds
             if (mine := runs.get((arm, seed))) and (theirs := runs.get((comparison.baseline, seed)))]
    pairs = [(mine, theirs) for mine, theirs in pairs if mine and theirs]
    gaps = measured.question_gaps([mine for mine, _ in pairs], [theirs for _, theirs in pairs])
    return by_video(comparison, {question: [gap] for question, gap in gaps.items()})


def by_video(comparison: Comparison, rows: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The mean of all questions' values, clustered by video; how many videos there are."""
    videos: dict[Hashable, list[float]] = {}
    for question in sorted(rows):
        videos.setdefault(comparison.videos.get(question, question), []).extend(rows[question])
    found = clustered(videos)
    return {**plain(found), "p": found.p, "videos": len(videos)}


def family_figures(comparison: Comparison, runs: Runs, arm: Arm, view: str) -> dict[str, Any]:
    """Each family of questions; {} where the data names none."""
    sizes = family_sizes(comparison, view)
    found = {}
    for name in sizes:
        def of(run: RunResult, name: str = name) -> float | None:
            return measured.family_accuracy(run.scores.get(view, {}), comparison.families).get(name)

        found[name] = {"questions": sizes[name], **figure(comparison, runs, arm.name, of)}
    return found


def family_sizes(comparison: Comparison, view: str) -> dict[str, int]:
    """Questions of each family on a view."""
    if not any(comparison.families.values()):
        return {}
    asked = set(comparison.base_scores.get(view, {})).union(*(run.scores.get(view, {}) for run in comparison.runs))
    names = [comparison.families.get(question, "") for question in asked]
    return {name: names.count(name) for name in sorted(set(names))}


def views(comparison: Comparison) -> list[str]:
    """The views on which anything was evaluated, the headline first."""
    seen = set(comparison.base).union(*(run.evals for run in comparison.runs))
    return [*(view for view in VIEWS if view in seen), *sorted(seen - set(VIEWS))]


def base_accuracy(comparison: Comparison, view: str) -> float | None:
    """Before training."""
    return measured.number(comparison.base.get(view, {}).get("accuracy"))


def base_figures(comparison: Comparison) -> dict[str, Any]:
    """The policy before training; its interval is over questions, there is one such policy."""
    kept = ("accuracy", "ci", "n", "chance", "format_rate")
    return {
        view: {**{key: results.get(key) for key in kept},
               "families": measured.family_accuracy(comparison.base_scores.get(view, {}), comparison.families)
               if any(comparison.families.values()) else {}}
        for view, results in sorted(comparison.base.items())
    }


def adjust(results: Mapping[str, dict[str, Any]]) -> int:
    """Put `holm` beside the p of each difference of accuracy to the baseline, all views together; how many they are."""
    found = [one["difference"] for arm in results.values() for one in arm["views"].values() if "difference" in one]
    for one, adjusted in zip(found, holm([one["p"] for one in found]), strict=True):
        one["holm"] = adjusted
    return sum(one["p"] is not None for one in found)


def other_pairs(comparison: Comparison, runs: Runs) -> dict[str, list[dict[str, Any]]]:
    """Differences of accuracy between arms neither of which is the baseline; their p-values are not adjusted."""
    names = [arm.name for arm in comparison.arms if arm.name != comparison.baseline]
    found: dict[str, list[dict[str, Any]]] = {}
    for view in views(comparison):
        values = {name: by_seed(comparison, runs, name, partial(measured.accuracy, view=view)) for name in names}
        found[view] = [{"arm": b, "other": a, **against(values[b], values[a])} for a, b in combinations(names, 2)]
    return found


def group_figures(comparison: Comparison) -> dict[str, Any]:
    """Groups of the base policy without signal: share, and difference to the baseline paired by question and round."""
    reference = comparison.groups.get(comparison.baseline)
    found: dict[str, Any] = {}
    for arm, rows in sorted(comparison.groups.items()):
        share = by_video(comparison, rows)
        found[arm] = {"n": share["n"], "questions": len(rows), "zero_std": share,
                      **flat_groups(rows, comparison.group_accuracy.get(arm, {}))}
        if reference is not None and arm != comparison.baseline:
            found[arm]["difference"] = by_video(comparison, {
                question: [a - b for a, b in zip(rows[question], reference[question], strict=False)]
                for question in rows if question in reference
            })
    return found


def flat_groups(flags: Mapping[str, Sequence[int]], accuracy: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Shares of all groups that are without signal because all their rollouts are right, or because all are wrong, and
    the mean accuracy of all rollouts; {} where accuracies are not known."""
    pairs = [pair for name in flags if name in accuracy for pair in zip(flags[name], accuracy[name], strict=True)]
    if not pairs:
        return {}
    return {"accuracy": sum(value for _, value in pairs) / len(pairs),
            "all_right": sum(flat and value >= 1 for flat, value in pairs) / len(pairs),
            "all_wrong": sum(flat and value <= 0 for flat, value in pairs) / len(pairs)}


def timings(comparison: Comparison, runs: Runs) -> dict[str, Any]:
    """Seconds of a whole run and of one of its steps."""
    return {arm.name: {"seconds": over_seeds(by_seed(comparison, runs, arm.name, lambda run: run.seconds)),
                       "step_s": over_seeds(by_seed(comparison, runs, arm.name,
                                                    lambda run: measured.mean_of(run, "step_s")))}
            for arm in comparison.arms}


def rounded(value: Any) -> Any:
    """Keys sorted, floats with 12 significant digits and null where they are not finite, tuples as lists."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") + 0.0 if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): rounded(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return value

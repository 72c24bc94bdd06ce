"""Two evaluations set against each other on the questions that both answered."""

from collections.abc import Mapping, Sequence
from typing import Any

from strive.configs.errors import UsageError
from strive.stages.eval.figures.paired import Pair, paired
from strive.stages.report.evaluation import rows
from strive.stages.report.evaluation.comparable import differences, told
from strive.stages.report.evaluation.evals import groups_of
from strive.stages.report.run_folder import RunFolder
from strive.stages.report.values import number


def compare(runs: Sequence[RunFolder]) -> dict[str, Any] | None:
    """The second evaluation against the first, where there are exactly two; None for more, fewer or unrecorded recipes.

    The figures of `paired`, and: `a`, `b` the runs' names; `differ` what their recipes differ in (key → both values,
    `told` the same for people); `n_only_a`, `n_only_b` questions that one run answered; `n_unscored` those of both
    without a score, or left out by the protocol.
    Raises `UsageError` for runs that were asked or read differently, and for ids that name different questions.
    """
    measured = [run for run in runs if run.is_eval]
    if len(measured) != 2 or not all(run.recipe for run in measured):
        return None
    a, b = measured
    differing = differences(a, b)
    of_a, of_b = by_id(a), by_id(b)
    shared = [name for name in of_a if name in of_b]
    refuse_other_questions(a, b, shared, of_a, of_b)
    fields = list(dict.fromkeys([*groups_of(a.results), *groups_of(b.results)]))
    pairs = [one for name in shared if (one := pair(name, of_a[name], of_b[name], fields))]
    return {
        "a": a.name, "b": b.name, "differ": {key: list(values) for key, values in differing.items()},
        "told": told(differing), "n_only_a": len(of_a) - len(shared), "n_only_b": len(of_b) - len(shared),
        "n_unscored": len(shared) - len(pairs), **paired(pairs),
    }


def by_id(run: RunFolder) -> dict[str, rows.Row]:
    """The run's rows by question; of a repeated id the first, as in its figures."""
    found: dict[str, rows.Row] = {}
    for row in run.predictions:
        found.setdefault(str(row.get("id")), row)
    return found


def refuse_other_questions(a: RunFolder, b: RunFolder, shared: Sequence[str], of_a: Mapping[str, rows.Row],
                           of_b: Mapping[str, rows.Row]) -> None:
    """`UsageError` when the same id stands for another question."""
    other = [name for name in shared if str(of_a[name].get("question")) != str(of_b[name].get("question"))]
    if other:
        raise UsageError(f"{a.path} and {b.path} can't be compared: {len(other)} ids name different questions, "
                         f"the first: {other[0]}", "two runs on the same data", "Evaluate both on one dataset.")


def pair(name: str, a: rows.Row, b: rows.Row, fields: Sequence[str]) -> Pair | None:
    """Both scores, None where one is missing or not counted."""
    of_a, of_b = number(a.get("score")), number(b.get("score"))
    if of_a is None or of_b is None or a.get("counted") is False or b.get("counted") is False:
        return None
    return Pair(name, rows.video(a), of_a, of_b, rows.places(a, fields))

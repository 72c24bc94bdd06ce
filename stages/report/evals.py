"""The evaluation table: one line a measured run, controls among them, and the families of questions below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strive.stages.report.run_folder import RunFolder
from strive.stages.report.values import count, mapping, pair, share

COUNTS = ("unparsed", "ambiguous", "truncated", "empty", "undecodable", "too_large")


@dataclass(frozen=True)
class EvalRow:
    """Shares from 0 to 1, None where not measured; `low`, `high` bound accuracy with 95 % confidence."""

    name: str
    bench: str
    control: str
    n: int
    accuracy: float | None
    low: float | None
    high: float | None
    answered: float | None
    format_rate: float | None
    counts: Mapping[str, int]
    chance: float | None
    families: Mapping[str, tuple[float, int]]


def eval_rows(runs: Sequence[RunFolder]) -> list[EvalRow]:
    """The evaluations among the runs, in the order given."""
    return [eval_row(run) for run in runs if run.is_eval]


def eval_row(run: RunFolder) -> EvalRow:
    """One results.json as a line."""
    found = run.results
    low, high = pair(found.get("ci"))
    return EvalRow(
        run.name, str(found.get("bench", "")), str(found.get("control") or "none"), count(found.get("n")) or 0,
        share(found.get("accuracy")), share(low), share(high), share(found.get("accuracy_answered")),
        share(found.get("format_rate")), counts(found), share(found.get("chance")), families(found),
    )


def counts(found: Mapping[str, Any]) -> dict[str, int]:
    """How many replies or items were not answers, those that occurred only."""
    return {name: number for name in COUNTS if (number := count(found.get(f"n_{name}")))}


def families(found: Mapping[str, Any]) -> dict[str, tuple[float, int]]:
    """Accuracy and count by family of questions."""
    rows = {str(name): mapping(row) for name, row in mapping(found.get("families")).items()}
    return {name: (accuracy, count(row.get("n")) or 0) for name, row in rows.items()
            if (accuracy := share(row.get("accuracy"))) is not None}

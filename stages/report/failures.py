"""What went wrong in the runs, one line an item with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from strive.stages.report.run_folder import RunFolder

MOST = 200


@dataclass(frozen=True)
class Failure:
    """One failed or skipped item."""

    run: str
    id: str
    reason: str


@dataclass(frozen=True)
class Failures:
    """All that failed; `shown` are the first `MOST`."""

    shown: tuple[Failure, ...]
    count: int


def failures(runs: Sequence[RunFolder]) -> Failures:
    """Failed items as each run recorded them, every item once a run."""
    rows: dict[tuple[str, str], Failure] = {}
    for run in runs:
        recorded = run.results.get("failed")
        for row in recorded if isinstance(recorded, list) else ():
            if isinstance(row, dict):
                rows[run.name, str(row.get("id"))] = Failure(run.name, str(row.get("id")), str(row.get("reason", "")))
    found = tuple(rows.values())
    return Failures(found[:MOST], len(found))

"""The evaluations of a page: a line a run with all that its score depends on, and a table for every category."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strive.stages.report.evaluation.conditions import conditions, control
from strive.stages.report.run_folder import RunFolder
from strive.stages.report.values import count, mapping, number, pair, share

COUNTS = ("unparsed", "ambiguous", "truncated", "empty", "unscorable", "undecodable", "too_large", "unscored")
WHOLES = ("overall", "top1", "avg3", "mean_of_tasks", "multiple_choice")
"""Published metrics over a whole benchmark, which stand first."""
Z95 = 1.959963984540054


@dataclass(frozen=True)
class EvalRow:
    """Shares from 0 to 1, None where not measured; `low`, `high` bound accuracy with 95 % confidence.

    n: questions in the denominator, about `videos` videos. counts: what was not an answer, as words → how many. whole:
    accuracy with what could not be asked counted 0, None where there is nothing of the kind.
    """

    name: str
    control: str
    n: int
    videos: int | None
    accuracy: float | None
    low: float | None
    high: float | None
    answered: float | None
    whole: float | None
    format_rate: float | None
    counts: Mapping[str, int]
    chance: float | None
    conditions: Sequence[tuple[str, str]]
    is_complete: bool


@dataclass(frozen=True)
class Cell:
    """One category in one run: accuracy, half of its 95 % interval, questions, replies that could not be read."""

    accuracy: float | None
    half: float | None
    n: int
    unread: int


@dataclass(frozen=True)
class CategoryTable:
    """A category: value → a cell for each run of the benchmark, None where the run has no such questions."""

    name: str
    rows: Mapping[str, Sequence[Cell | None]]


@dataclass(frozen=True)
class Benchmark:
    """The runs on one benchmark. `published`: metric → its value in each run; `notes` are said of them."""

    name: str
    runs: Sequence[EvalRow]
    published: Mapping[str, Sequence[float | None]]
    notes: Sequence[str]
    tables: Sequence[CategoryTable]


def benchmarks(runs: Sequence[RunFolder]) -> list[Benchmark]:
    """The evaluations among the runs by benchmark, both in the order given."""
    found: dict[str, list[RunFolder]] = {}
    for run in runs:
        if run.is_eval:
            found.setdefault(run.bench or "benchmark not recorded", []).append(run)
    return [Benchmark(name, [eval_row(run) for run in own], published(own), notes(own), tables(own))
            for name, own in found.items()]


def eval_row(run: RunFolder) -> EvalRow:
    """One results.json as a line."""
    found = run.results
    low, high = pair(found.get("ci"))
    setting = {key.removeprefix("eval."): value for key, value in run.recipe.items() if key.startswith("eval.")}
    failed = sum(count(found.get(f"n_{name}")) or 0 for name in ("undecodable", "too_large", "unscored"))
    return EvalRow(
        run.name, control(found, setting), count(found.get("n")) or 0, count(found.get("n_videos")),
        share(found.get("accuracy")), share(low), share(high), share(found.get("accuracy_answered")),
        share(found.get("accuracy_all")) if failed else None, share(found.get("format_rate")), counts(found),
        share(found.get("chance")), conditions(found, run.recipe), bool(found) and found.get("complete") is not False,
    )


def counts(found: Mapping[str, Any]) -> dict[str, int]:
    """How many replies or items were not answers, those that occurred only."""
    apart = {name.replace("_", " "): count(found.get(f"n_{name}")) for name in COUNTS}
    apart["left out by the protocol"] = count(found.get("n_left_out"))
    return {name: number for name, number in apart.items() if number}


def published(runs: Sequence[RunFolder]) -> dict[str, list[float | None]]:
    """The benchmark's own metrics, None where a run can't have one."""
    rows = [mapping(run.results.get("headline")) for run in runs]
    names = dict.fromkeys(name for row in rows for name, value in row.items()
                          if value is None or number(value) is not None)
    order = sorted(names, key=lambda name: name not in WHOLES)
    return {str(name).replace("_", " "): [number(row.get(name)) for row in rows] for name in order}


def notes(runs: Sequence[RunFolder]) -> list[str]:
    """What the benchmark says of its metrics, each sentence once."""
    rows = [mapping(run.results.get("headline")) for run in runs]
    return list(dict.fromkeys(value for row in rows for value in row.values() if isinstance(value, str)))


def tables(runs: Sequence[RunFolder]) -> list[CategoryTable]:
    """Every category of any run."""
    groups = [groups_of(run.results) for run in runs]
    names = dict.fromkeys(name for found in groups for name in found)
    return [CategoryTable(name, rows) for name in names
            if (rows := table_rows([mapping(found.get(name)) for found in groups]))]


def groups_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The groups as recorded; of older runs the families."""
    groups = mapping(found.get("groups"))
    return {str(name): rows for name, rows in (groups or {"family": found.get("families")}).items()}


def table_rows(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[Cell | None]]:
    """Value → cells, values in the order of the first run that has them; those without any figure are left out."""
    values = dict.fromkeys(value for column in columns for value in column)
    rows = {str(value): [cell(column.get(value)) for column in columns] for value in values}
    return {value: cells for value, cells in rows.items() if any(one is not None for one in cells)}


def cell(row: Any) -> Cell | None:
    """One group's figures, None where there is neither an accuracy nor a row."""
    found = mapping(row)
    accuracy, n = share(found.get("accuracy")), count(found.get("n")) or 0
    if accuracy is None and not n:
        return None
    se = share(found.get("se"))
    unread = sum(count(found.get(f"n_{name}")) or 0 for name in COUNTS[:4])
    return Cell(accuracy, None if se is None else Z95 * se, n, unread)

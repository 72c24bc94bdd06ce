"""Grades rows as they come and counts them by benchmark, in memory that does not grow with the file."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from strive.stages.eval.benchmarks import is_aside, rows_of
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.grading.judging import Judged, judged_apart
from strive.stages.eval.grading.rows import ToGrade

MOST_NAMED = 20
"""Rows named in a summary; all are counted."""


@dataclass
class Grader:
    """One protocol over rows of any benchmarks. `raw`: comparison protocols read whole replies, tags and all.

    workers: processes that judge.

    tallies: by benchmark. odd: rows that are not what their benchmark publishes, and rows whose id was there before,
    the first of each with its number; `n_odd` counts them all. Ids are kept as 64-bit hashes.
    """

    protocol: str
    raw: bool = False
    workers: int = 1
    n: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    odd: list[dict[str, str]] = field(default_factory=list)
    n_odd: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)

    def grade(self, rows: Iterable[ToGrade]) -> Iterator[dict[str, Any]]:
        """A line for each row, in order: `{"id", "parsed", "score", "status"}`."""
        for one in judged_apart(self.protocol, self.raw, rows, self.workers):
            self.count(one)
            verdict = one.verdict
            yield {"id": one.row.row.id, "parsed": verdict.parsed, "score": verdict.score, "status": verdict.status}

    def count(self, one: Judged) -> None:
        """Count a row under its benchmark, and note what is odd about it."""
        asked, row = one.row, one.row.row
        for what, reason in (("not asked", asked.missing), ("not as published", one.odd),
                             ("failed request", asked.failed and f"graded as written: {asked.failed}")):
            if reason:
                self.note(what, asked, reason)
        self.n += 1
        self.note_again(asked)
        kind = rows_of(row.bench)
        tally = self.tallies.setdefault(row.bench, Tally())
        tally.add(one.verdict, kind.categories(row), kind.video(row), aside=is_aside(row))

    def note_again(self, one: ToGrade) -> None:
        """Notice an id that was there before: it counts twice in every figure."""
        name = hash((one.row.bench, one.row.id))
        if name in self.seen:
            self.note("id twice", one, "it counts again")
        self.seen.add(name)

    def note(self, what: str, one: ToGrade, reason: str) -> None:
        """Keep the first odd rows by name, count all."""
        self.n_odd[what] += 1
        if len(self.odd) < MOST_NAMED:
            self.odd.append({"id": one.row.id, "row": str(one.number), "reason": f"{what}: {reason}"})

    def figures(self) -> dict[str, Any]:
        """Figures by benchmark: counts, accuracies, the published metrics, every category."""
        return {bench: {**tally.figures(), "headline": rows_of(bench).headline(tally, self.protocol),
                        "groups": tally.groups()} for bench, tally in sorted(self.tallies.items())}

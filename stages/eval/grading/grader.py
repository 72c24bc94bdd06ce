"""Grades rows as they come and counts them by benchmark, in memory that does not grow with the file."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from strive.stages.eval.benchmarks import is_aside, rows_of
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.grading.rows import ToGrade
from strive.stages.eval.protocols import judge
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.tasks.sample_rows import RowError

MOST_NAMED = 20
"""Rows named in a summary; all are counted."""


@dataclass
class Grader:
    """One protocol over rows of any benchmarks. `raw`: comparison protocols read whole replies, tags and all.

    tallies: by benchmark. odd: rows that are not what their benchmark publishes, and rows whose id was there before,
    the first of each with its number; `n_odd` counts them all. Ids are kept as 64-bit hashes.
    """

    protocol: str
    raw: bool = False
    n: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    odd: list[dict[str, str]] = field(default_factory=list)
    n_odd: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)

    def grade(self, rows: Iterable[ToGrade]) -> Iterator[dict[str, Any]]:
        """A line for each row, in order: `{"id", "parsed", "score", "status"}`."""
        for one in rows:
            verdict = self.verdict(one)
            yield {"id": one.row.id, "parsed": verdict.parsed, "score": verdict.score, "status": verdict.status}

    def verdict(self, one: ToGrade) -> Verdict:
        """Judge a row and count it."""
        kind = rows_of(one.row.bench)
        found = self.judged(one)
        self.n += 1
        self.note_again(one)
        tally = self.tallies.setdefault(one.row.bench, Tally())
        tally.add(found, kind.categories(one.row), kind.video(one.row), aside=is_aside(one.row))
        return found

    def judged(self, one: ToGrade) -> Verdict:
        """The protocol's verdict; none on a question that was never asked, or that is not what its benchmark has."""
        if one.missing:
            self.note("not asked", one, one.missing)
            return Verdict(None, "unscorable", None, one.missing, counted=False)
        if one.failed:
            self.note("failed request", one, f"graded as written: {one.failed}")
        try:
            return judge(self.protocol, one.row, one.prediction, self.raw, one.cut)
        except RowError as error:
            self.note("not as published", one, error.what)
            return Verdict(None, "unscorable", None, error.what, counted=False)

    def note_again(self, one: ToGrade) -> None:
        """Notice an id that was there before: it counts twice in every figure."""
        name = hash((one.row.bench, one.row.id))
        if name in self.seen:
            self.note("id twice", one, "its id was there before; it counts again")
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

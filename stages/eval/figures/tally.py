"""Counts graded answers as they come, in memory that does not grow with them but by a few numbers a video."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strive.stages.eval.figures.statistics import interval95, se_of_sums
from strive.stages.eval.protocols.verdict import Verdict

STATUSES = ("unparsed", "ambiguous", "truncated", "empty", "unscorable")


@dataclass
class Cell:
    """The answers of one category, or all of them.

    n: rows in the denominator: with a score, and not left out by the harness. total: sum of their scores. n_read and
    read_total: those that could be read. n_left_out: rows with a score that the harness does not count. statuses: of
    every row. by_video: (sum of scores, rows) of each video, for standard errors.
    """

    n: int = 0
    total: float = 0.0
    n_read: int = 0
    read_total: float = 0.0
    n_left_out: int = 0
    n_well_formed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    by_video: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, verdict: Verdict, video: str, well_formed: bool = False) -> None:
        """Count one answer."""
        self.statuses[verdict.status] += 1
        self.n_well_formed += well_formed
        if verdict.score is None:
            return
        if not verdict.counted:
            self.n_left_out += 1
            return
        self.n += 1
        self.total += verdict.score
        before = self.by_video.get(video, (0.0, 0))
        self.by_video[video] = (before[0] + verdict.score, before[1] + 1)
        if verdict.status == "ok":
            self.n_read += 1
            self.read_total += verdict.score

    @property
    def mean(self) -> float | None:
        """Mean score over the denominator, None of nothing."""
        return self.total / self.n if self.n else None

    @property
    def se(self) -> float | None:
        """Standard error of `mean`, clustered by video."""
        return se_of_sums(list(self.by_video.values()))

    def figures(self) -> dict[str, Any]:
        """The cell as plain JSON: fractions and counts."""
        return {
            "n": self.n, "n_answered": self.n_read, **{f"n_{name}": self.statuses[name] for name in STATUSES},
            "n_left_out": self.n_left_out, "accuracy": self.mean,
            "accuracy_answered": self.read_total / self.n_read if self.n_read else None, "se": self.se,
        }


class Tally:
    """All answers, and the same by every value of every category: `tables[field][value]`."""

    def __init__(self) -> None:
        self.whole = Cell()
        self.tables: dict[str, dict[str, Cell]] = {}

    def add(self, verdict: Verdict, categories: Mapping[str, str | tuple[str, ...]], video: str,
            well_formed: bool = False, aside: bool = False) -> None:
        """Count one answer under each of its categories, several values of one included; `video`: questions about one
        video are not independent. `aside`: it belongs to a table only, not to the whole."""
        if not aside:
            self.whole.add(verdict, video, well_formed)
        for name, values in categories.items():
            table = self.tables.setdefault(name, {})
            for value in (values,) if isinstance(values, str) else values:
                if value not in table:
                    table[value] = Cell()
                table[value].add(verdict, video, well_formed)

    def means(self, name: str) -> dict[str, float]:
        """Mean score by value of a category, those with a denominator only."""
        return {value: cell.mean for value, cell in sorted(self.tables.get(name, {}).items()) if cell.mean is not None}

    def groups(self) -> dict[str, dict[str, Any]]:
        """Every table as plain JSON."""
        return {name: {value: cell.figures() for value, cell in sorted(cells.items())}
                for name, cells in self.tables.items()}

    def figures(self) -> dict[str, Any]:
        """The whole with its confidence interval."""
        return {**self.whole.figures(), "ci": interval95(self.whole.mean, self.whole.se),
                "n_videos": len(self.whole.by_video)}

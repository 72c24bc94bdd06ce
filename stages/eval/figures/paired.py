"""Two runs on the same questions: the mean difference with standard error, and McNemar's test of right and wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from strive.stages.eval.figures.statistics import Z95, clustered_se, mean

Places = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Pair:
    """One question that both runs answered: its video, both scores in [0, 1], its categories (field → values)."""

    id: str
    video: str
    a: float
    b: float
    places: Places = field(default_factory=dict)


def paired(pairs: Sequence[Pair]) -> dict[str, Any]:
    """B against A over all pairs, as plain JSON: fractions, question ids.

    difference: mean of b − a. se, ci: its standard error, clustered by video, and 95 % interval (normal), None with
    fewer than two videos. mcnemar: see `mcnemar`. won, lost: ids of the questions on which B scores more, or less, the
    largest gap first. groups: field → value → the same figures without ids and without a test.
    """
    gaps = sorted(pairs, key=lambda pair: -abs(pair.b - pair.a))
    return {
        **difference(pairs),
        "mcnemar": mcnemar(pairs),
        "won": [pair.id for pair in gaps if pair.b > pair.a],
        "lost": [pair.id for pair in gaps if pair.b < pair.a],
        "groups": groups(pairs),
    }


def difference(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Both means and their difference over some pairs."""
    gaps = [pair.b - pair.a for pair in pairs]
    centre, se = mean(gaps), clustered_se(gaps, [pair.video for pair in pairs]) if gaps else None
    return {
        "n": len(pairs),
        "n_videos": len({pair.video for pair in pairs}),
        "accuracy_a": mean([pair.a for pair in pairs]),
        "accuracy_b": mean([pair.b for pair in pairs]),
        "difference": centre,
        "se": se,
        "ci": None if centre is None or se is None else [centre - Z95 * se, centre + Z95 * se],
        "n_won": sum(gap > 0 for gap in gaps),
        "n_lost": sum(gap < 0 for gap in gaps),
    }


def mcnemar(pairs: Iterable[Pair]) -> dict[str, Any]:
    """McNemar's test (1947), exact: b questions that only A has right, c that only B has; two-sided binomial at 1/2.

    Counts the pairs whose scores are both 0 or 1 (`n`); with no discordant pair p is 1.
    """
    whole = [pair for pair in pairs if pair.a in (0, 1) and pair.b in (0, 1)]
    only_a, only_b = (sum(pair.a > pair.b for pair in whole), sum(pair.b > pair.a for pair in whole))
    return {"n": len(whole), "b": only_a, "c": only_b, "p": exact(only_a, only_b)}


def exact(b: int, c: int) -> float:
    """Two-sided p-value of b successes in b + c tosses of a fair coin."""
    if b + c == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(b, b + c, 0.5).pvalue)


def groups(pairs: Sequence[Pair]) -> dict[str, dict[str, Any]]:
    """The differences by every value of every category."""
    tables: dict[str, dict[str, list[Pair]]] = {}
    for pair in pairs:
        for name, values in pair.places.items():
            for value in values:
                tables.setdefault(name, {}).setdefault(value, []).append(pair)
    return {name: {value: difference(found) for value, found in sorted(table.items())}
            for name, table in tables.items()}

"""Two runs on the same questions: the published formulas written out, and their edges."""

import math

import pytest

from strive.stages.eval.figures.paired import Pair, exact, mcnemar, paired


def pairs(*scores: tuple[float, float], per_video: int = 2) -> list[Pair]:
    return [Pair(f"q{n}", f"v{n // per_video}", a, b, {"half": ("first" if n < 3 else "second", "all")})
            for n, (a, b) in enumerate(scores)]


SOME = ((0, 1), (0, 1), (1, 0), (1, 1), (0, 0), (0, 1), (0.25, 0.5))


def test_the_difference_is_that_of_the_means_with_an_error_clustered_by_video() -> None:
    found = paired(pairs(*SOME))
    gaps = [b - a for a, b in SOME]
    centre = sum(gaps) / 7
    sums = [sum(gap - centre for gap in gaps[k:k + 2]) for k in range(0, 7, 2)]
    se = math.sqrt(4 / 3 * sum(value**2 for value in sums)) / 7
    assert found["difference"] == pytest.approx(found["accuracy_b"] - found["accuracy_a"]) == pytest.approx(centre)
    assert found["se"] == pytest.approx(se) and (found["n"], found["n_videos"]) == (7, 4)
    assert found["ci"] == pytest.approx([centre - 1.959964 * se, centre + 1.959964 * se], abs=1e-6)


def test_a_video_asked_often_widens_the_interval() -> None:
    scores = [(0, 1), (0, 1), (0, 1), (0, 0), (0, 0), (0, 0)]
    assert paired(pairs(*scores, per_video=3))["se"] > paired(pairs(*scores, per_video=1))["se"]


def test_mcnemar_counts_discordant_pairs_that_are_wholly_right_or_wrong() -> None:
    found = mcnemar(pairs(*SOME))
    assert (found["n"], found["b"], found["c"]) == (6, 1, 3) and found["p"] == pytest.approx(0.625)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 5), (5, 0), (3, 9), (10, 10), (4, 15)])
def test_the_exact_p_is_the_two_sided_binomial_tail(b: int, c: int) -> None:
    n = b + c
    tail = sum(math.comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    assert exact(b, c) == pytest.approx(min(1.0, 2 * tail))


def test_flipped_questions_are_named_largest_gap_first() -> None:
    found = paired(pairs(*SOME))
    assert found["won"] == ["q0", "q1", "q5", "q6"] and found["lost"] == ["q2"]
    assert (found["n_won"], found["n_lost"]) == (4, 1)


def test_every_category_has_its_own_difference() -> None:
    groups = paired(pairs(*SOME))["groups"]["half"]
    assert {name: (one["n"], one["n_won"], one["n_lost"]) for name, one in groups.items()} == {
        "first": (3, 2, 1), "second": (4, 2, 0), "all": (7, 4, 1)}
    assert groups["first"]["difference"] == pytest.approx(1 / 3)


def test_nothing_in_common_and_a_single_video_have_no_interval() -> None:
    nothing, one = paired([]), paired(pairs((0, 1), (1, 1)))
    assert nothing["difference"] is None and nothing["n"] == 0 and nothing["mcnemar"]["p"] == 1.0
    assert one["difference"] == 0.5 and one["se"] is None and one["ci"] is None

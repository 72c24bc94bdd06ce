"""The figures of a comparison equal scipy's and those computed by hand, and say nothing where nothing can be said."""

import math
import random

import numpy as np
import pytest
from scipy import stats

from strive.stages.compare.figures.statistics import area, clustered, estimate, holm, paired

A = [0.66, 0.71, 0.68, 0.735, 0.69]
B = [0.64, 0.67, 0.69, 0.70, 0.66]


def test_interval_of_a_mean_is_students() -> None:
    found = estimate(A)
    low, high = stats.t.interval(0.95, len(A) - 1, loc=np.mean(A), scale=stats.sem(A))
    assert found.ci == pytest.approx((low, high), rel=1e-12)
    assert found.sd == pytest.approx(np.std(A, ddof=1), rel=1e-12) and found.n == 5 and found.p is None


def test_three_seeds_by_hand() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0 and found.sd == 1.0
    assert found.ci == pytest.approx((2 - 4.302652729911275 / math.sqrt(3), 2 + 4.302652729911275 / math.sqrt(3)))


def test_paired_difference_and_its_p_are_those_of_the_paired_t_test() -> None:
    found, expected = paired(A, B), stats.ttest_rel(A, B)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert found.ci == pytest.approx((interval.low, interval.high), rel=1e-10)
    assert found.mean == pytest.approx(np.mean(A) - np.mean(B))


def test_pairing_uses_what_seeds_share() -> None:
    shared = [0.1, 0.3, 0.5, 0.7, 0.9]
    close = paired([s + 0.02 + e for s, e in zip(shared, [0.001, -0.001, 0, 0.002, -0.002], strict=True)], shared)
    assert close.p is not None and close.p < 1e-3
    assert stats.ttest_ind([s + 0.02 for s in shared], shared).pvalue > 0.5


def test_order_of_seeds_changes_nothing() -> None:
    order = [3, 0, 4, 1, 2]
    a, b = [A[i] for i in order], [B[i] for i in order]
    assert estimate(a).ci == pytest.approx(estimate(A).ci, rel=1e-12)
    one, other = paired(a, b), paired(A, B)
    assert (one.mean, one.p) == (pytest.approx(other.mean, rel=1e-12), pytest.approx(other.p, rel=1e-9))


def test_shifting_all_values_shifts_the_mean_and_leaves_the_difference() -> None:
    moved = estimate([a + 10 for a in A])
    assert moved.mean == pytest.approx(estimate(A).mean + 10) and moved.sd == pytest.approx(estimate(A).sd)
    one, other = paired([a + 10 for a in A], [b + 10 for b in B]), paired(A, B)
    assert one.mean == pytest.approx(other.mean) and one.p == pytest.approx(other.p, rel=1e-6)


def test_swapping_the_arms_turns_the_sign_and_keeps_p() -> None:
    one, other = paired(A, B), paired(B, A)
    assert one.mean == -other.mean and one.p == pytest.approx(other.p)
    assert one.ci == pytest.approx((-other.ci[1], -other.ci[0]))


def test_identical_arms_have_no_p_and_say_so() -> None:
    found = paired(A, list(A))
    assert (found.mean, found.ci, found.p, found.note) == (0.0, None, None, "identical")
    noisy = paired([0.1 + 0.2, 0.7], [0.3, 0.7])
    assert noisy.note == "identical" and noisy.mean == 0.0, "rounding is not a difference"


def test_a_constant_difference_claims_no_certainty() -> None:
    found = paired([0.6, 0.7, 0.8], [0.5, 0.6, 0.7])
    assert found.mean == pytest.approx(0.1) and found.ci is None and found.p is None
    assert found.note == "every difference equal"


def test_one_seed_has_no_interval() -> None:
    for found in (estimate([0.7]), paired([0.7], [0.6])):
        assert found.ci is None and found.sd is None and found.p is None and found.note and found.n == 1
    assert estimate([]).mean is None and paired([], []).mean is None


def test_pairs_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError):
        paired([0.5, 0.6], [0.5])


def test_clusters_of_one_are_the_usual_t_interval() -> None:
    draw = random.Random(1)
    values = [draw.choice([-1.0, 0.0, 0.0, 1.0]) for _ in range(300)]
    found, plain = clustered({i: [v] for i, v in enumerate(values)}), estimate(values)
    assert found.ci == pytest.approx(plain.ci, rel=1e-12)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-9)


def test_two_clusters_by_hand() -> None:
    found = clustered({"a": [1.0, 0.0], "b": [0.0]})
    se = math.sqrt(2 * ((1 / 3) ** 2 + (1 / 3) ** 2)) / 3
    half = stats.t.ppf(0.975, 1) * se
    assert found.mean == pytest.approx(1 / 3) and found.n == 3
    assert found.ci == pytest.approx((1 / 3 - half, 1 / 3 + half))


def test_repeating_a_question_buys_no_certainty() -> None:
    draw = random.Random(2)
    once = {i: [float(draw.randint(-1, 1))] for i in range(50)}
    often = {i: values * 20 for i, values in once.items()}
    assert clustered(often).ci == pytest.approx(clustered(once).ci, rel=1e-9)
    flat = estimate([v for values in often.values() for v in values]).ci
    width = clustered(often).ci
    assert width[1] - width[0] > 3 * (flat[1] - flat[0]), "treated as independent it would look far surer"


def test_interval_covers_the_truth_in_about_95_of_100_worlds() -> None:
    draw, hits = np.random.default_rng(3), 0
    for _ in range(400):
        lean = draw.normal(0, 0.3, 60)
        hits += (lambda ci: ci[0] <= 0.1 <= ci[1])(clustered(
            {q: list(draw.normal(0.1 + lean[q], 0.2, 4)) for q in range(60)}).ci)
    assert 365 <= hits <= 395


def test_a_single_cluster_has_no_interval() -> None:
    assert clustered({"a": [1.0, 0.0]}).ci is None
    assert clustered({"a": [0.5], "b": [0.5]}).ci is None
    assert clustered({}).mean is None and clustered({"a": []}).mean is None


def test_area_of_a_learning_curve_by_hand() -> None:
    assert area([(0, 0.5), (100, 0.7), (400, 0.7)]) == pytest.approx((100 * 0.6 + 300 * 0.7) / 400)
    assert area([(0, 0.4), (7, 0.4)]) == pytest.approx(0.4)
    assert area([(0, 0.4)]) is None and area([]) is None


def test_area_is_that_of_numpys_trapezoids() -> None:
    draw = random.Random(4)
    x = sorted(draw.uniform(0, 100) for _ in range(12))
    y = [draw.random() for _ in x]
    assert area(list(zip(x, y, strict=True))) == pytest.approx(np.trapezoid(y, x) / (x[-1] - x[0]))


def test_learning_sooner_has_the_larger_area() -> None:
    early, late = [(0, 0.5), (10, 0.7), (100, 0.7)], [(0, 0.5), (90, 0.5), (100, 0.7)]
    assert area(early) > area(late)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None, 0.02, None]) == [None, 0.02, None], "what was not tested costs nothing"
    assert holm([]) == []


def test_holm_never_lowers_a_p_and_keeps_their_order() -> None:
    draw = random.Random(5)
    raw = [draw.random() ** 3 for _ in range(20)]
    adjusted = holm(raw)
    assert all(a >= p for a, p in zip(adjusted, raw, strict=True))
    ranked = [adjusted[i] for i in sorted(range(20), key=lambda i: raw[i])]
    assert ranked == sorted(ranked)

"""The samplers `its` and `aks` beside the published rules, written out here as their authors' code has them."""

import heapq
from collections.abc import Iterator

import numpy as np
import pytest

from strive.stages.frames.scores import zscore
from strive.stages.views.randomness import generator
from strive.stages.views.samplers import SAMPLERS, SamplerParams
from strive.stages.views.uniform import uniform_indices


def published_its(score: np.ndarray, n: int, power: float) -> list[int]:
    """BOLT, select_frames.py."""
    score = score - np.min(score)
    score = score / np.max(score)
    score = score**power
    cdf = np.cumsum(score / np.sum(score))
    return [int(i) for i in np.searchsorted(cdf, np.linspace(1 / n, 1 - 1 / n, n))]


def published_stretches(
    parts: list[tuple[np.ndarray, list[int], int]], n: int, threshold: float, depth_limit: int
) -> list[tuple[np.ndarray, list[int], int]]:
    """AKS, frame_select.py, meanstd: (scores, frames, depth) of every stretch that is not halved again."""
    whole, halved = [], []
    for score, frames, depth in parts:
        top = [score[t] for t in heapq.nlargest(n, range(len(score)), score.__getitem__)]
        if np.mean(top) - np.mean(score) > threshold or depth >= depth_limit:
            whole.append((score, frames, depth))
        else:
            middle = len(score) // 2
            halved += [(score[:middle], frames[:middle], depth + 1), (score[middle:], frames[middle:], depth + 1)]
    return whole + (published_stretches(halved, n, threshold, depth_limit) if halved else [])


def published_aks(score: np.ndarray, n: int, threshold: float, depth_limit: int) -> list[int]:
    """AKS, frame_select.py, from the min-max scores on."""
    score = (score - np.min(score)) / (np.max(score) - np.min(score))
    out: list[int] = []
    for part, frames, depth in published_stretches([(score, list(range(len(score))), 0)], n, threshold, depth_limit):
        best = heapq.nlargest(int(n / 2**depth), range(len(part)), part.__getitem__)
        out.extend(frames[t] for t in best)
    return sorted(out)


def its(score: np.ndarray, k: int, power: float = 1.0) -> list[int]:
    return [int(i) for i in SAMPLERS["its"](score, k, generator(0), SamplerParams(its_power=power))]


def aks(score: np.ndarray, k: int, threshold: float, depth: int) -> list[int]:
    params = SamplerParams(aks_threshold=threshold, aks_depth=depth)
    return [int(i) for i in SAMPLERS["aks"](score, k, generator(0), params)]


def videos(count: int, seed: int) -> Iterator[tuple[np.ndarray, int]]:
    """Scores of `count` videos, smooth, spiky or plain noise, each with a budget below their length."""
    rng = np.random.default_rng(seed)
    for trial in range(count):
        n = int(rng.integers(4, 200))
        score = rng.normal(size=n)
        if trial % 3 == 1:
            score = np.convolve(score, np.ones(7) / 7, mode="same")
        if trial % 3 == 2:
            score[rng.integers(n, size=3)] += 6
        yield score, int(rng.integers(1, n))


def test_its_is_the_published_rule_wherever_that_gives_different_frames_and_holds_its_frames_elsewhere() -> None:
    equal = 0
    for score, k in videos(600, seed=1):
        for power in (0.5, 1.0, 3.0):
            theirs, ours = published_its(score, k, power), its(score, k, power)
            if k > 2:
                assert set(theirs) <= set(ours)
            if len(set(theirs)) == k > 2:
                assert ours == theirs
                equal += 1
    assert equal > 100


def test_the_published_its_breaks_where_ours_does_not() -> None:
    peak = np.zeros(40)
    peak[[7, 8]] = 1.0, 0.5
    assert len(set(published_its(peak, 8, 1.0))) == 2
    assert len(its(peak, 8)) == 8 and {7, 8} <= set(its(peak, 8))
    two = published_its(np.arange(50.0), 2, 1.0)
    assert two[0] == two[1] and len(its(np.arange(50.0), 2)) == 2
    with np.errstate(all="ignore"):
        assert published_its(np.ones(9), 3, 1.0) in ([0] * 3, [9] * 3)
    assert its(np.ones(9), 3) == uniform_indices(9, 3).tolist()


def test_what_its_adds_lies_where_the_mass_left_over_is() -> None:
    score = np.zeros(100)
    score[10] = 1.0
    score[60:70] = 0.05
    assert its(score, 6)[0] == 10 and all(60 <= i < 70 for i in its(score, 6)[1:])


def test_a_high_power_of_its_is_top_k_even_where_powers_vanish() -> None:
    for score, k in videos(60, seed=2):
        best = SAMPLERS["topk"](score, k, generator(0), SamplerParams()).tolist()
        assert its(score, k, power=1e7) == best


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value", "ignore:Degrees of freedom")
@pytest.mark.parametrize(("threshold", "depth"), [(0.2, 3), (0.8, 5), (0.0, 5), (9.0, 2), (0.35, 1), (0.5, 0)])
def test_aks_is_the_published_rule_wherever_that_gives_k_frames_and_holds_its_frames_elsewhere(
    threshold: float, depth: int
) -> None:
    equal = 0
    for score, k in videos(400, seed=3):
        theirs, ours = published_aks(score, k, threshold, depth), aks(score, k, threshold, depth)
        assert set(theirs) <= set(ours)
        if len(theirs) == k:
            assert ours == theirs
            equal += 1
    assert equal >= 3


def test_aks_is_the_published_rule_with_the_published_budgets() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        score = np.convolve(rng.normal(size=256 + seed), np.ones(9) / 9, mode="same")
        for k, threshold, depth in ((32, 0.2, 3), (64, 0.8, 5), (32, 0.8, 5), (8, 0.2, 3)):
            assert aks(score, k, threshold, depth) == published_aks(score, k, threshold, depth)


def test_the_published_aks_gives_no_frame_below_one_per_stretch_and_ours_covers() -> None:
    score = np.random.default_rng(4).normal(size=256)
    assert published_aks(score, 16, 0.8, 5) == []
    ours = aks(score, 16, 9.0, 5)
    assert len(ours) == 16 and (np.histogram(ours, np.arange(0, 257, 16))[0] == 1).all()
    assert len(published_aks(score, 12, 9.0, 3)) == 8 and len(aks(score, 12, 9.0, 3)) == 12


def test_aks_gives_the_odd_frame_to_the_half_whose_next_best_frame_is_better() -> None:
    score = np.array([0.0, 5, 3, 0, 0, 4, 2, 0])
    assert aks(score, 3, 9.0, 1) == [1, 2, 5]
    assert aks(score[::-1].copy(), 3, 9.0, 1) == [2, 5, 6]


def test_a_threshold_that_is_met_at_once_makes_aks_top_k_and_one_that_never_is_makes_it_a_bin_max() -> None:
    score = np.random.default_rng(5).normal(size=128)
    for k in (4, 8, 16):
        assert aks(score, k, 0.0, 7) == SAMPLERS["topk"](score, k, generator(0), SamplerParams()).tolist()
        assert aks(score, k, 9.0, 7) == SAMPLERS["binmax"](score, k, generator(0), SamplerParams()).tolist()


@pytest.mark.parametrize("name", ["its", "aks"])
def test_scaled_and_shifted_scores_give_the_same_frames(name: str) -> None:
    params = SamplerParams(its_power=2.0, aks_threshold=0.3, aks_depth=4)
    for score, k in videos(100, seed=6):
        coarse = np.round(score, 2)  # no two values nearer than rounding can turn around
        moved = SAMPLERS[name](zscore(0.05 * coarse + 0.3), k, generator(0), params)
        assert moved.tolist() == SAMPLERS[name](zscore(coarse), k, generator(0), params).tolist()

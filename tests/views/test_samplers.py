"""Property tests of the samplers."""

import numpy as np
import pytest

from strive.configs.errors import UsageError
from strive.stages.frames.scores import zscore
from strive.stages.views.randomness import generator
from strive.stages.views.samplers import RANDOM, SAMPLERS, SamplerParams, sampler, uniform_indices
from strive.stages.views.selection import bin_edges
from strive.stages.views.uniform import phase_indices

PARAMS = SamplerParams(tau=0.5, coverage=0.5)
SHAPES = [(1, 1), (1, 8), (5, 8), (8, 8), (9, 8), (32, 8), (64, 32), (257, 32), (256, 16), (100, 99)]


def scores(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_every_sampler_returns_exactly_min_k_n_unique_sorted_indices(name: str, n: int, k: int) -> None:
    for z in (scores(n), np.zeros(n, np.float32), np.eye(1, n, n // 2)[0] * 1e6, -np.arange(n, dtype=np.float32)):
        for coverage in (0.0, 0.5, 1.0):
            got = sampler(name)(z, k, generator(7), SamplerParams(0.5, coverage))
            assert got.dtype == np.int64 and len(got) == min(k, n)
            assert (np.diff(got) > 0).all() and got.min() >= 0 and got.max() < n


def some_params(rng: np.random.Generator) -> SamplerParams:
    """Settings from everywhere in their ranges."""
    return SamplerParams(float(rng.choice([0.0, 0.1, 0.5, 3.0, np.inf])), float(rng.random()),
                         float(rng.choice([0.01, 1.0, 4.0, 1e4])), int(rng.integers(0, 31)), float(rng.random() * 1.2))


def some_scores(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise, two levels, one peak, a slope or all equal, in either precision."""
    kinds = [rng.normal(size=n), rng.integers(0, 2, n), np.eye(1, n, int(rng.integers(n)))[0] * 1e6, np.arange(n) * 1.0,
             np.full(n, rng.normal())]
    return np.asarray(kinds[rng.integers(len(kinds))], rng.choice([np.float32, np.float64]))


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_no_length_budget_score_or_setting_makes_a_sampler_give_another_number_of_frames(name: str) -> None:
    rng = np.random.default_rng(11)
    for trial in range(500):
        n, k = int(rng.integers(1, 120)), int(rng.integers(1, 140))
        z, params = some_scores(rng, n), some_params(rng)
        before = z.copy()
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            got = SAMPLERS[name](z, k, generator(trial), params)
        assert got.dtype == np.int64 and len(got) == min(k, n)
        assert (np.diff(got) > 0).all() and got.min() >= 0 and got.max() < n
        assert (z == before).all()


@pytest.mark.parametrize("name", sorted(SAMPLERS))
@pytest.mark.parametrize("value", [0.0, 1.0, -3.5])
def test_equal_scores_give_frames_from_the_whole_video(name: str, value: float) -> None:
    for seed in range(20):
        got = SAMPLERS[name](np.full(256, value), 16, generator(seed), PARAMS)
        halves = np.histogram(got, [0, 128, 256])[0]
        assert len(got) == 16 and (halves >= 2).all()
        if name not in RANDOM:
            assert np.diff(got).max() <= 2 * 16


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_shifting_and_scaling_the_scores_changes_no_draw_once_they_are_z_scored(name: str) -> None:
    rng = np.random.default_rng(12)
    for seed in range(60):
        raw = np.round(rng.normal(size=int(rng.integers(3, 90))), 2)
        draws = [SAMPLERS[name](zscore(a * raw + b), 9, generator(seed), PARAMS).tolist()
                 for a, b in ((1.0, 0.0), (0.03, 0.25), (40.0, -7.0))]
        assert draws[0] == draws[1] == draws[2]


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_one_generator_seed_one_draw_and_only_the_random_samplers_draw_otherwise_with_another(name: str) -> None:
    z = scores(64)
    draws = [SAMPLERS[name](z, 8, generator(seed), PARAMS).tolist() for seed in (5, 5, 6)]
    assert draws[0] == draws[1] and (draws[1] != draws[2]) == (name in RANDOM)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_all_frames_are_returned_when_there_are_not_more_than_asked_for(name: str) -> None:
    assert sampler(name)(scores(6), 8, generator(1), PARAMS).tolist() == list(range(6))


@pytest.mark.parametrize("coverage", [0.25, 0.5, 1.0])
def test_every_bin_is_hit_and_no_gap_exceeds_two_bins(coverage: float) -> None:
    n, k = 101, 16
    bins = round(coverage * k)
    z = np.zeros(n)
    z[40:60] = 9.0
    for seed in range(50):
        got = SAMPLERS["strat_gumbel"](z, k, generator(seed), SamplerParams(0.2, coverage))
        edges = bin_edges(n, bins)
        assert (np.histogram(got, edges - 0.5)[0] > 0).all()
        assert np.diff(got).max() <= 2 * -(-n // bins)


@pytest.mark.parametrize("name", ["uniform", "binmax", "strat_gumbel"])
def test_the_samplers_that_cover_have_no_gap_of_more_than_two_bins_at_any_length(name: str) -> None:
    rng = np.random.default_rng(13)
    for seed in range(150):
        n = int(rng.integers(2, 300))
        k = int(rng.integers(1, n + 1))
        z = some_scores(rng, n)
        got = SAMPLERS[name](z, k, generator(seed), SamplerParams(0.3, 1.0))
        assert name == "uniform" or (np.histogram(got, bin_edges(n, k) - 0.5)[0] == 1).all()
        assert np.diff(got, prepend=-1, append=n).max() <= 2 * -(-n // k)


def test_tau_zero_is_exactly_bin_max_or_top_k_and_tiny_tau_agrees() -> None:
    for seed in range(20):
        z = scores(90, seed)
        for tau in (0.0, 1e-320, 1e-9):
            draw = SAMPLERS["strat_gumbel"](z, 12, generator(seed), SamplerParams(tau, 1.0))
            assert draw.tolist() == SAMPLERS["binmax"](z, 12, generator(0), PARAMS).tolist()
            draw = SAMPLERS["strat_gumbel"](z, 12, generator(seed), SamplerParams(tau, 0.0))
            assert draw.tolist() == SAMPLERS["topk"](z, 12, generator(0), PARAMS).tolist()


def test_infinite_tau_forgets_the_scores_and_keeps_the_bins() -> None:
    loud = SamplerParams(float("inf"), 1.0)
    for seed in range(20):
        with_scores = SAMPLERS["strat_gumbel"](scores(64, seed) * 1e3, 8, generator(seed), loud)
        without = SAMPLERS["strat_gumbel"](np.zeros(64), 8, generator(seed), loud)
        assert with_scores.tolist() == without.tolist()
        assert (with_scores // 8).tolist() == list(range(8))


def test_infinite_tau_with_full_coverage_is_jittered_uniform_every_frame_of_a_bin_equally_often() -> None:
    n, k, draws = 22, 4, 4000
    loud = SamplerParams(float("inf"), 1.0)
    picked = np.concatenate([SAMPLERS["strat_gumbel"](scores(n), k, generator(seed), loud) for seed in range(draws)])
    counts, sizes = np.bincount(picked, minlength=n), np.diff(bin_edges(n, k))
    expected = np.repeat(draws / sizes, sizes)
    chi_square = float(((counts - expected) ** 2 / expected).sum())  # n - k = 18 degrees of freedom
    assert chi_square < 42.3  # exceeded once in 1,000 by chance


def test_zero_coverage_is_gumbel_top_k() -> None:
    z = scores(50)
    stratified = SAMPLERS["strat_gumbel"](z, 9, generator(3), SamplerParams(0.7, 0.0))
    assert stratified.tolist() == SAMPLERS["gumbel"](z, 9, generator(3), SamplerParams(0.7, 0.9)).tolist()


def test_gumbel_draws_follow_the_softmax_of_the_scores() -> None:
    z, tau, draws = np.array([1.0, 0.0, -1.0, 0.5]), 0.8, 6000
    picked = [int(SAMPLERS["gumbel"](z, 1, generator(seed), SamplerParams(tau, 0.0))[0]) for seed in range(draws)]
    shares = np.bincount(picked, minlength=4) / draws
    expected = np.exp(z / tau) / np.exp(z / tau).sum()
    assert np.abs(shares - expected).max() < 4 * np.sqrt(0.25 / draws)


@pytest.mark.parametrize("name", ["uniform", "topk", "binmax", "gumbel", "strat_gumbel"])
def test_raising_one_score_never_lowers_how_often_its_frame_is_drawn(name: str) -> None:
    low = scores(40)
    often = []
    for raised in (0.0, 0.8, 2.5):
        high = low.copy()
        high[17] += raised
        often.append([17 in SAMPLERS[name](high, 8, generator(seed), PARAMS) for seed in range(400)])
    for before, after in zip(often[:-1], often[1:], strict=True):
        assert all(one <= other for one, other in zip(before, after, strict=True))
    assert name == "uniform" or sum(often[2]) > sum(often[0])


def test_uniform_takes_the_middles_of_equal_stretches() -> None:
    assert uniform_indices(32, 8).tolist() == [2, 6, 10, 14, 18, 22, 26, 30]
    assert uniform_indices(10, 4).tolist() == [int(np.floor((i + 0.5) * 10 / 4)) for i in range(4)]
    assert uniform_indices(1, 8).tolist() == [0]


def test_phases_of_the_uniform_view_share_no_frame_while_there_are_enough() -> None:
    views = [phase_indices(32, 8, step, 4) for step in range(4)]
    assert views[0].tolist() == uniform_indices(32, 8).tolist()
    assert len(set(np.concatenate(views).tolist())) == 32
    for n, k in SHAPES:
        for step in range(3):
            got = phase_indices(n, k, step, 3)
            assert len(got) == min(n, k) and (np.diff(got) > 0).all() and got.max() < n


def test_an_unknown_sampler_is_refused_with_the_names() -> None:
    with pytest.raises(UsageError, match="strat_gumbel"):
        sampler("best")

"""Property tests of the samplers."""

import numpy as np
import pytest

from strive.configs.errors import UsageError
from strive.stages.views.randomness import generator
from strive.stages.views.samplers import SAMPLERS, SamplerParams, sampler, uniform_indices
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


def test_raising_one_score_never_lowers_how_often_its_frame_is_drawn() -> None:
    low, high = scores(40), scores(40)
    high[17] += 0.8
    for seed in range(400):
        drawn = [17 in SAMPLERS["strat_gumbel"](z, 8, generator(seed), PARAMS) for z in (low, high)]
        assert drawn[1] >= drawn[0]


def test_same_seed_same_draw_other_seed_other_draw() -> None:
    z = scores(64)
    draws = [SAMPLERS["strat_gumbel"](z, 8, generator(seed), PARAMS).tolist() for seed in (5, 5, 6)]
    assert draws[0] == draws[1] != draws[2]


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

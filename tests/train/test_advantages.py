"""Advantages: found by id, exactly zero where nothing can be told apart, GRPO when there is one variant."""

import numpy as np
import pytest

from strive.configs.run_stages import TrainConfig
from strive.stages.train.advantages import Advantages, compute, decompose

JOINT, EACH = TrainConfig(), TrainConfig(advantage_scope="per_variant")


def grpo_advantages(rewards: np.ndarray, eps: float = 1e-4) -> np.ndarray:
    """GRPO, arXiv 2402.03300, section 4.1.2: A_i = (r_i - mean(r)) / std(r), groups as rows [groups, G]."""
    return (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, ddof=1, keepdims=True) + eps)


def batch(groups: int, variants: int, each: int, seed: int = 0) -> tuple[np.ndarray, list[str], list[int]]:
    rewards = np.random.default_rng(seed).choice([0.0, 0.1, 0.9, 1.0], groups * variants * each)
    ids = [f"q{g}" for g in range(groups) for _ in range(variants * each)]
    return rewards, ids, [v for _ in range(groups) for v in range(variants) for _ in range(each)]


@pytest.mark.parametrize("config", [JOINT, EACH])
def test_one_variant_is_grpo(config: TrainConfig) -> None:
    rewards, ids, variants = batch(16, 1, 8)
    got = compute(rewards, ids, variants, config).values
    np.testing.assert_allclose(got, grpo_advantages(rewards.reshape(16, 8)).ravel(), atol=1e-6)


def test_joint_normalises_over_all_variants_of_a_question() -> None:
    rewards, ids, variants = batch(6, 4, 2)
    got = compute(rewards, ids, variants, JOINT).values
    np.testing.assert_allclose(got, grpo_advantages(rewards.reshape(6, 8)).ravel(), atol=1e-6)


def test_per_variant_is_one_grpo_group_for_each_variant() -> None:
    rewards, ids, variants = batch(6, 4, 4)
    got = compute(rewards, ids, variants, EACH).values
    np.testing.assert_allclose(got, grpo_advantages(rewards.reshape(24, 4)).ravel(), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1 / 3, 0.9 * 0.7 + 0.1, 1e6])
def test_equal_rewards_give_exactly_zero(value: float) -> None:
    for config in (JOINT, EACH, TrainConfig(advantage_eps=0.0), TrainConfig(advantage_scale="none")):
        got = compute([value] * 24, ["a"] * 8 + ["b"] * 16, [0, 1] * 12, config)
        assert (got.values == 0.0).all()
        assert got.stats["frac_zero_std"] == 1.0


def test_advantages_of_a_group_sum_to_zero() -> None:
    rewards, ids, variants = batch(5, 4, 4)
    values = compute(rewards, ids, variants, JOINT).values
    assert np.abs(values.reshape(5, 16).sum(1)).max() < 1e-9


def test_rows_in_any_order_get_the_same_advantage() -> None:
    rewards, ids, variants = batch(5, 4, 2)
    for config in (JOINT, EACH):
        straight = compute(rewards, ids, variants, config)
        order = np.random.default_rng(3).permutation(len(rewards))
        mixed = compute(rewards[order], [ids[i] for i in order], [variants[i] for i in order], config)
        np.testing.assert_allclose(mixed.values, straight.values[order], atol=1e-12)
        assert mixed.stats == pytest.approx(straight.stats, abs=1e-12)


def test_renaming_variants_changes_nothing() -> None:
    rewards, ids, variants = batch(5, 4, 2)
    renamed = [(7 - v) * 11 for v in variants]
    for config in (JOINT, EACH):
        assert (compute(rewards, ids, renamed, config).values == compute(rewards, ids, variants, config).values).all()


def test_a_constant_changes_nothing_and_neither_does_a_factor() -> None:
    rewards, ids, variants = batch(5, 4, 2)
    config = TrainConfig(advantage_eps=0.0)
    base = compute(rewards, ids, variants, config).values
    np.testing.assert_allclose(compute(rewards + 5, ids, variants, config).values, base, atol=1e-9)
    np.testing.assert_allclose(compute(rewards * 3, ids, variants, config).values, base, atol=1e-9)


def test_scale_none_only_subtracts_the_mean() -> None:
    got = compute([0.0, 1.0, 1.0, 1.0], ["q"] * 4, [0, 0, 1, 1], TrainConfig(advantage_scale="none"))
    assert got.values.tolist() == [-0.75, 0.25, 0.25, 0.25]


@pytest.mark.parametrize(("size", "expected"), [(8, 2.4749), (16, 3.75), (32, 5.4801)])
def test_one_right_reply_among_many_has_the_known_size(size: int, expected: float) -> None:
    """(N - 1) / sqrt(N) with the sample standard deviation and no eps."""
    config = TrainConfig(advantage_eps=0.0)
    got = compute([1.0] + [0.0] * (size - 1), ["q"] * size, [0] * size, config).values
    assert got[0] == pytest.approx(expected, abs=1e-4)


def test_ddof_and_eps_are_used() -> None:
    rewards, ids = [0.0, 1.0], ["q", "q"]
    wide, population = TrainConfig(advantage_eps=0.5), TrainConfig(advantage_eps=0, advantage_ddof=0)
    assert compute(rewards, ids, [0, 0], wide).values[1] == pytest.approx(0.5 / (0.5**0.5 + 0.5))
    assert compute(rewards, ids, [0, 0], population).values[1] == pytest.approx(1.0)


def test_groups_may_differ_in_variants_and_generations() -> None:
    rewards = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.5])
    ids = ["a", "b", "a", "b", "b", "a", "b"]
    variants = [0, 0, 1, 1, 1, 2, 3]
    got = compute(rewards, ids, variants, JOINT).values
    for name in ("a", "b"):
        rows = [i for i, one in enumerate(ids) if one == name]
        np.testing.assert_allclose(got[rows], grpo_advantages(rewards[None, rows])[0], atol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_row_without_a_finite_reward_is_outside_the_baseline(bad: float) -> None:
    got = compute([1.0, bad, 0.0, 0.0], ["q"] * 4, [0, 0, 1, 1], JOINT)
    np.testing.assert_allclose(got.values[[0, 2, 3]], compute([1.0, 0.0, 0.0], ["q"] * 3, [0, 1, 1], JOINT).values)
    assert got.values[1] == 0.0 and got.counted.tolist() == [True, False, True, True]
    assert got.stats["bad_rewards"] == 1


def test_a_group_left_with_one_reward_has_no_baseline() -> None:
    got = compute([1.0, float("nan")], ["q", "q"], [0, 1], JOINT)
    assert got.values.tolist() == [0.0, 0.0]
    only_bad = compute([float("nan")] * 2, ["q", "q"], [0, 1], JOINT)
    assert only_bad.values.tolist() == [0.0, 0.0] and not only_bad.counted.any()


def test_dropping_takes_equal_groups_out_of_the_count() -> None:
    rewards, ids = [1.0, 1.0, 0.0, 1.0], ["a", "a", "b", "b"]
    assert compute(rewards, ids, [0] * 4, JOINT).counted.all()
    dropped = compute(rewards, ids, [0] * 4, TrainConfig(zero_std="drop"))
    assert dropped.counted.tolist() == [False, False, True, True]


def test_variance_is_within_plus_between_exactly() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values, variants = rng.normal(size=17), rng.integers(0, 4, 17)
        within, between = decompose(values, variants)
        assert within + between == pytest.approx(values.var(), abs=1e-12)
        assert within >= 0 and between >= 0


def test_stats_tell_total_reward_accuracy_and_variants_apart() -> None:
    """Group a: equal accuracy, format differs. Group b: variants differ, each by itself does not."""
    accuracy = np.array([1.0, 1, 1, 1, 1, 1, 0, 0])
    rewards = 0.9 * accuracy + 0.1 * np.array([1.0, 0, 1, 1, 1, 1, 1, 1])
    got = compute(rewards, ["a"] * 4 + ["b"] * 4, [0, 0, 1, 1] * 2, JOINT, accuracy).stats
    assert got["frac_zero_std"] == 0.0 and got["frac_zero_std_accuracy"] == 0.5
    assert got["frac_zero_std_per_variant"] == 0.75
    assert got["adv_var_between"] > 0 and got["reward_var_between"] > got["reward_var_within"] > 0


def test_collapsed_variants_give_zero_by_themselves_but_not_jointly() -> None:
    rewards, ids, variants = [1.0, 1.0, 0.0, 0.0], ["q"] * 4, [0, 0, 1, 1]
    assert (compute(rewards, ids, variants, EACH).values == 0).all()
    assert (compute(rewards, ids, variants, JOINT).values[:2] > 0.8).all()


def zero_share(views: tuple[float, ...], scope: str, prompts: int = 1500) -> float:
    """Share of questions without any signal at 8 rollouts, view v answered rightly with probability views[v]."""
    rng, each = np.random.default_rng(1), 8 // len(views)
    rewards = (rng.random((prompts, len(views), each)) < np.array(views)[None, :, None]).astype(float).ravel()
    ids = np.repeat(np.arange(prompts), 8).tolist()
    variants = np.tile(np.repeat(np.arange(len(views)), each), prompts).tolist()
    got: Advantages = compute(rewards, ids, variants, TrainConfig(advantage_scope=scope))
    return float((got.values.reshape(prompts, 8) == 0).all(1).mean())


def test_different_views_leave_fewer_questions_without_signal_at_the_same_number_of_rollouts() -> None:
    """Expected: one view p = 0.83 (the mean) 0.227; views 1, .95, .77, .6 joint: prod p^2 + prod (1 - p)^2 = 0.193."""
    views = (1.0, 0.95, 0.77, 0.6)
    joint, single = zero_share(views, "joint"), zero_share((float(np.mean(views)),), "joint")
    assert joint == pytest.approx(0.1926, abs=0.03) and single == pytest.approx(0.2252, abs=0.03)
    assert joint < single
    assert zero_share(views, "per_variant") > joint

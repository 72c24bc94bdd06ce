"""Advantages: found by id, exactly zero where nothing can be told apart, GRPO when there is one variant."""

import numpy as np
import pytest

from strive.configs.run_stages import TrainConfig
from strive.stages.train.objective.advantages import Advantages, compute
from strive.stages.train.objective.scales import SCALES
from strive.stages.train.objective.scopes import BASELINES, SCOPES
from strive.stages.train.objective.spread import decompose

JOINT, EACH = TrainConfig(), TrainConfig(advantage_scope="per_variant")
EVERY = [TrainConfig.model_validate({"advantage_scope": scope, "advantage_scale": scale, "advantage_baseline": base})
         for scope in SCOPES for scale in SCALES for base in BASELINES]
every_config = pytest.mark.parametrize("config", EVERY, ids=lambda c: "-".join(
    (c.advantage_scope, c.advantage_scale, c.advantage_baseline)))


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


BY_ROW = ("per_variant", "row_mean_joint_std")


def parts_of(config: TrainConfig, values: np.ndarray, groups: int, variants: int) -> np.ndarray:
    """The rows that share a baseline, one line each; `values` as `batch` orders them."""
    return values.reshape(groups * (variants if config.advantage_scope in BY_ROW else 1), -1)


@every_config
@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1 / 3, 0.9 * 0.7 + 0.1, 1e6])
@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_equal_rewards_give_exactly_zero(config: TrainConfig, value: float, eps: float) -> None:
    own = config.model_copy(update={"advantage_eps": eps})
    got = compute([value] * 24, ["a"] * 8 + ["b"] * 16, [0, 1] * 12, own)
    assert (got.values == 0.0).all()
    assert got.stats["frac_zero_std"] == 1.0


@every_config
def test_advantages_that_share_a_baseline_sum_to_zero(config: TrainConfig) -> None:
    rewards, ids, variants = batch(5, 4, 4)
    values = compute(rewards, ids, variants, config).values
    assert np.abs(values).max() > 0.1
    sums = np.abs(parts_of(config, values, 5, 4).sum(1))
    if (config.advantage_scope, config.advantage_scale) == ("joint_mean_row_std", "group"):
        assert sums.max() > 0.1  # rows that share a baseline are divided by different stds
    else:
        assert sums.max() < 1e-9


@every_config
def test_rows_in_any_order_get_the_same_advantage(config: TrainConfig) -> None:
    rewards, ids, variants = batch(5, 4, 2)
    straight = compute(rewards, ids, variants, config)
    order = np.random.default_rng(3).permutation(len(rewards))
    mixed = compute(rewards[order], [ids[i] for i in order], [variants[i] for i in order], config)
    np.testing.assert_allclose(mixed.values, straight.values[order], atol=1e-12)
    assert mixed.stats == pytest.approx(straight.stats, abs=1e-12)


@every_config
def test_renaming_variants_changes_nothing(config: TrainConfig) -> None:
    rewards, ids, variants = batch(5, 4, 2)
    renamed = [(7 - v) * 11 for v in variants]
    assert (compute(rewards, ids, renamed, config).values == compute(rewards, ids, variants, config).values).all()


@every_config
def test_a_constant_changes_nothing_and_neither_does_a_factor_where_it_is_scaled(config: TrainConfig) -> None:
    rewards, ids, variants = batch(5, 4, 2)
    exact = config.model_copy(update={"advantage_eps": 0.0})
    base = compute(rewards, ids, variants, exact).values
    np.testing.assert_allclose(compute(rewards + 5, ids, variants, exact).values, base, atol=1e-9)
    factor = 3 if config.advantage_scale == "none" else 1
    np.testing.assert_allclose(compute(rewards * 3, ids, variants, exact).values, factor * base, atol=1e-9)


@every_config
def test_one_variant_makes_the_scopes_one(config: TrainConfig) -> None:
    """But for the factor that `hierarchical` gives to what is within variants: there is nothing between them."""
    rewards, ids, variants = batch(6, 1, 8)
    other = config.model_copy(update={"advantage_scope": "joint"})
    factor = config.advantage_mix if config.advantage_scope == "hierarchical" else 1.0
    ours, theirs = (compute(rewards, ids, variants, one).values for one in (config, other))
    assert (ours == factor * theirs).all() and np.abs(ours).max() > 0.1


@pytest.mark.parametrize("config", [c for c in EVERY if c.advantage_baseline == "leave_one_out"
                                    and c.advantage_scope in ("joint", "per_variant") and c.advantage_scale != "batch"])
def test_leave_one_out_is_the_mean_of_the_others(config: TrainConfig) -> None:
    """r_i - mean_{j != i} r_j = n / (n - 1) (r_i - mean), per question or per variant; scaled if asked to."""
    rewards, ids, variants = batch(4, 2, 4)
    got = parts_of(config, compute(rewards, ids, variants, config).values, 4, 2)
    for values, own in zip(got, parts_of(config, rewards, 4, 2), strict=True):
        others = np.array([np.delete(own, i).mean() for i in range(len(own))])
        scale = 1.0 if config.advantage_scale == "none" else own.std(ddof=1) + 1e-4
        np.testing.assert_allclose(values, (own - others) / scale, atol=1e-12)
        np.testing.assert_allclose(values * scale, len(own) / (len(own) - 1) * (own - own.mean()), atol=1e-12)


def test_leave_one_out_by_hand() -> None:
    config = TrainConfig(advantage_baseline="leave_one_out", advantage_scale="none")
    got = compute([1.0, 0.0, 0.5, float("nan")], ["q"] * 4, [0] * 4, config)
    assert got.values.tolist() == pytest.approx([0.75, -0.75, 0.0, 0.0])
    assert compute([1.0, float("nan")], ["q"] * 2, [0, 0], config).values.tolist() == [0.0, 0.0]


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
    for policy in ("drop", "resample"):
        dropped = compute(rewards, ids, [0] * 4, TrainConfig.model_validate({"zero_std": policy}))
        assert dropped.counted.tolist() == [False, False, True, True]


def test_variance_is_within_plus_between_exactly() -> None:
    """On groups of unequal numbers of generations; to 1e-9 of values that are not small."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 5, 8, 17, 40) * 20:
        values, variants = rng.normal(3, 10, size), rng.integers(0, rng.integers(1, 6), size)
        within, between = decompose(values, variants)
        assert within + between == pytest.approx(values.var(), abs=1e-9)
        assert within >= 0 and between >= 0


@every_config
def test_logged_variances_add_up_to_the_mean_variance_of_the_groups(config: TrainConfig) -> None:
    rng = np.random.default_rng(5)
    ids, variants = rng.integers(0, 9, 120), rng.integers(0, 4, 120)
    rewards = np.where(rng.random(120) < 0.05, np.nan, rng.choice([0.0, 0.1, 0.9, 1.0], 120))
    made = compute(rewards, ids.tolist(), variants.tolist(), config)
    rows = [(ids == one) & np.isfinite(rewards) for one in range(9)]
    for name, values in (("adv", made.values), ("reward", rewards)):
        total = np.mean([values[own].var() for own in rows])
        assert made.stats[f"{name}_var_within"] + made.stats[f"{name}_var_between"] == pytest.approx(total, abs=1e-9)


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
    config = TrainConfig.model_validate({"advantage_scope": scope})
    got: Advantages = compute(rewards, ids, variants, config)
    return float((got.values.reshape(prompts, 8) == 0).all(1).mean())


def test_different_views_leave_fewer_questions_without_signal_at_the_same_number_of_rollouts() -> None:
    """Expected: one view p = 0.83 (the mean) 0.227; views 1, .95, .77, .6 joint: prod p^2 + prod (1 - p)^2 = 0.193."""
    views = (1.0, 0.95, 0.77, 0.6)
    joint, single = zero_share(views, "joint"), zero_share((float(np.mean(views)),), "joint")
    assert joint == pytest.approx(0.1926, abs=0.03) and single == pytest.approx(0.2252, abs=0.03)
    assert joint < single
    assert zero_share(views, "per_variant") > joint

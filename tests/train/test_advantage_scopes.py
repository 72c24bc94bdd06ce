"""Every scope against its formula written out, floors, clipping, the batch's std, and what a group has to teach."""

import math

import numpy as np
import pytest

from strive.configs.errors import UsageError
from strive.configs.run_stages import TrainConfig
from strive.stages.train.objective.advantage_check import check_advantages
from strive.stages.train.objective.advantages import compute, teaches
from strive.stages.train.objective.scales import SCALES
from strive.stages.train.objective.scopes import BASELINES, SCOPES

NAN = math.nan


def settings(scope: str = "joint", scale: str = "group", **others: object) -> TrainConfig:
    keys = {f"advantage_{name}": value for name, value in others.items() if name != "zero_std"}
    keys |= {name: value for name, value in others.items() if name == "zero_std"}
    return TrainConfig.model_validate({"advantage_scope": scope, "advantage_scale": scale, **keys})


EVERY = [settings(scope, scale, baseline=base) for scope in SCOPES for scale in SCALES for base in BASELINES]


def ragged(seed: int, groups: int = 12) -> tuple[list[float], list[str], list[int]]:
    """Groups of 1 to 5 variants with 1 to 6 generations each, some rewards missing, rows shuffled."""
    rng = np.random.default_rng(seed)
    rows = [(float(rng.choice([0.0, 0.1, 0.9, 1.0, NAN], p=[0.3, 0.2, 0.1, 0.35, 0.05])), f"q{g}", v)
            for g in range(groups) for v in range(rng.integers(1, 6)) for _ in range(rng.integers(1, 7))]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    return [r for r, _, _ in rows], [g for _, g, _ in rows], [v for _, _, v in rows]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def std(values: list[float], ddof: int) -> float:
    """0 where the values are equal, or one alone."""
    if len(values) < 2 or max(values) == min(values):
        return 0.0
    return math.sqrt(math.fsum((v - mean(values)) ** 2 for v in values) / (len(values) - ddof))


def by_hand(i: int, rewards: list[float], ids: list[str], variants: list[int], config: TrainConfig) -> float:
    """One row's advantage from the formulas of recipes, section 1.6, without arrays."""
    if math.isnan(rewards[i]):
        return 0.0
    rows = [j for j, r in enumerate(rewards) if ids[j] == ids[i] and not math.isnan(r)]
    group = [rewards[j] for j in rows]
    own = [rewards[j] for j in rows if variants[j] == variants[i]]
    means = [mean([rewards[j] for j in rows if variants[j] == v]) for v in sorted({variants[j] for j in rows})]
    batch = std([r for r in rewards if not math.isnan(r)], config.advantage_ddof)

    def over(gain: float, deviation: float) -> float:
        if config.advantage_scale == "none":
            return gain
        used = max(batch if config.advantage_scale == "batch" else deviation, config.advantage_min_std)
        return gain / (used + config.advantage_eps) if used > 0 else 0.0

    sigma, s_v, s_b = (std(values, config.advantage_ddof) for values in (group, own, means))
    mu, mu_v, r, a = mean(group), mean(own), rewards[i], config.advantage_mix
    value = {
        "joint": lambda: over(r - mu, sigma),
        "per_variant": lambda: over(r - mu_v, s_v),
        "joint_mean_row_std": lambda: over(r - mu, s_v),
        "row_mean_joint_std": lambda: over(r - mu_v, sigma),
        "hierarchical": lambda: a * over(r - mu_v, s_v) + (1 - a) * over(mu_v - mu, s_b),
    }[config.advantage_scope]()
    clip = config.advantage_clip
    return max(-clip, min(clip, value)) if clip else value


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("others", [{}, {"ddof": 0, "eps": 1e-6}, {"min_std": 0.3}, {"clip": 0.7}, {"mix": 0.2}])
def test_every_scope_is_its_formula_on_unequal_groups_with_missing_rewards(
    scope: str, scale: str, others: dict[str, float]
) -> None:
    config = settings(scope, scale, **others)
    for seed in range(2):
        rewards, ids, variants = ragged(seed)
        want = [by_hand(i, rewards, ids, variants, config) for i in range(len(rewards))]
        np.testing.assert_allclose(compute(rewards, ids, variants, config).values, want, atol=1e-9)
        assert max(map(abs, want)) > 0.2


def test_the_batchs_std_is_that_of_trl() -> None:
    """TRL, scale_rewards="batch": (r - mean of the group) / (std of all rewards, ddof 1, + 1e-4)."""
    rewards = np.random.default_rng(0).random((6, 8))
    got = compute(rewards.ravel(), np.repeat(np.arange(6), 8).tolist(), [0] * 48, settings(scale="batch")).values
    want = (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(ddof=1) + 1e-4)
    np.testing.assert_allclose(got.reshape(6, 8), want, atol=1e-12)


@pytest.mark.parametrize("config", EVERY, ids=str)
def test_equal_rewards_are_exactly_zero_in_every_group_whatever_the_others_are(config: TrainConfig) -> None:
    """With eps = 0 and a floor too: 0.1 + 0.2 and 0.3 differ by rounding alone."""
    rewards = [0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 1.0, 0.0, 1.0, 1.0]
    for others in ({}, {"advantage_eps": 0.0}, {"advantage_min_std": 0.05}, {"advantage_ddof": 0}):
        got = compute(rewards, ["a"] * 4 + ["b"] * 4, [0, 0, 1, 1] * 2, config.model_copy(update=others)).values
        assert (got[:4] == 0.0).all() and np.isfinite(got).all()
        assert np.abs(got[4:]).max() > 0.1


def test_a_variant_without_a_std_of_its_own_has_no_advantage_unless_the_floor_gives_it_one() -> None:
    """Never the gain over eps alone, 5000 times as large."""
    rewards, ids, variants = [1.0, 1.0, 0.0, 1.0], ["q"] * 4, [0, 0, 1, 1]
    bare = compute(rewards, ids, variants, settings("joint_mean_row_std")).values
    assert bare[:2].tolist() == [0.0, 0.0] and np.abs(bare[2:]).max() < 2
    floored = compute(rewards, ids, variants, settings("joint_mean_row_std", min_std=0.5, eps=0.0)).values
    np.testing.assert_allclose(floored[:2], [0.5, 0.5])


def test_the_floor_keeps_format_noise_from_being_blown_up() -> None:
    """All right, one badly formed: rewards 1 and 0.9 of weights 0.9 and 0.1."""
    rewards = [1.0] * 7 + [0.9]
    bare, floored = (compute(rewards, ["q"] * 8, [0] * 8, settings(min_std=m)).values for m in (0.0, 0.05))
    assert abs(bare[7]) > 2.4 and abs(floored[7]) < 1.8
    wide = compute([1.0, 0.0] * 4, ["q"] * 8, [0] * 8, settings(min_std=0.05)).values
    assert (wide == compute([1.0, 0.0] * 4, ["q"] * 8, [0] * 8, settings()).values).all()


def test_clipping_cuts_the_lone_right_reply_of_a_large_group_and_nothing_else() -> None:
    rewards = [1.0] + [0.0] * 31
    free, cut = (compute(rewards, ["q"] * 32, [0] * 32, settings(clip=clip)).values for clip in (0.0, 5.0))
    assert free[0] > 5.4 and cut[0] == 5.0 and (free[1:] == cut[1:]).all()


def test_a_group_differs_where_two_finite_rewards_do() -> None:
    for rewards, expected in (([0.0, 1.0], True), ([0.1, 0.9, NAN], True), ([1.0, 1.0], False), ([1.0], False),
                              ([], False), ([1.0, NAN], False), ([0.3, 0.1 + 0.2], False), ([math.inf, 0.0], False)):
        assert teaches(rewards, [0] * len(rewards), settings()) is expected, rewards


FLAT_ROWS = ([1.0, 1.0, 0.0, 0.0], [0, 0, 1, 1])
EQUAL_MEANS = ([1.0, 0.0, 0.0, 1.0], [0, 0, 1, 1])
ONE_FLAT_ROW = ([1.0, 1.0, 0.0, 1.0], [0, 0, 1, 1])


@pytest.mark.parametrize(("config", "flat_rows", "equal_means"), [
    (settings("joint"), True, True),
    (settings("per_variant"), False, True),
    (settings("row_mean_joint_std"), False, True),
    (settings("joint_mean_row_std"), False, True),
    (settings("joint_mean_row_std", min_std=0.1), True, True),
    (settings("hierarchical"), True, True),
    (settings("hierarchical", mix=1.0), False, True),
    (settings("hierarchical", mix=0.0), True, False),
    (settings("joint", "batch"), True, True),
    (settings("per_variant", "none"), False, True),
])
def test_what_a_group_teaches_depends_on_what_its_scope_compares(
    config: TrainConfig, flat_rows: bool, equal_means: bool
) -> None:
    assert teaches(*FLAT_ROWS, config) is flat_rows
    assert teaches(*EQUAL_MEANS, config) is equal_means


@pytest.mark.parametrize("config", EVERY, ids=str)
def test_a_group_teaches_where_it_has_an_advantage_and_only_such_rows_stay_when_dropping(config: TrainConfig) -> None:
    own = config.model_copy(update={"zero_std": "drop"})
    for seed in range(6):
        rewards, ids, variants = ragged(seed, groups=20)
        made = compute(rewards, ids, variants, own)
        for group in set(ids):
            rows = [i for i, one in enumerate(ids) if one == group]
            learnt = teaches([rewards[i] for i in rows], [variants[i] for i in rows], own)
            assert learnt == made.counted[rows].any() == (made.values[rows] != 0).any(), group
        assert (made.values[~made.counted] == 0).all()


def test_dropping_takes_out_rows_that_are_compared_with_their_equals_alone() -> None:
    rewards, variants = ONE_FLAT_ROW
    for scope, counted in (("joint", [True] * 4), ("hierarchical", [True] * 4),
                           ("per_variant", [False, False, True, True]),
                           ("row_mean_joint_std", [False, False, True, True])):
        got = compute(rewards, ["q"] * 4, variants, settings(scope, zero_std="drop"))
        assert got.counted.tolist() == counted, scope
        assert compute(rewards, ["q"] * 4, variants, settings(scope)).counted.all()


def test_one_rollout_a_variant_leaves_joint_alone_with_something_to_say() -> None:
    rewards, ids, variants = [1.0, 0.0, 0.0, 1.0], ["q"] * 4, [0, 1, 2, 3]
    assert (compute(rewards, ids, variants, settings()).values != 0).all()
    for scope in ("per_variant", "row_mean_joint_std", "joint_mean_row_std"):
        assert (compute(rewards, ids, variants, settings(scope)).values == 0).all(), scope


REFUSED = [
    (settings("hierarchical", baseline="leave_one_out"), 4, 2, "leave_one_out"),
    (settings("hierarchical"), 1, 8, "one variant"),
    (settings("joint_mean_row_std", "batch"), 4, 2, "advantage_scale = batch"),
    (settings("row_mean_joint_std", "none"), 4, 2, "advantage_scale = none"),
    (settings("joint", "none", min_std=0.1), 4, 2, "min_std"),
    *[(settings(scope), 8, 1, "one rollout") for scope in SCOPES if scope != "joint"],
]


@pytest.mark.parametrize(("config", "variants", "each", "word"), REFUSED, ids=lambda value: str(value)[:60])
def test_settings_that_mean_nothing_together_are_refused(
    config: TrainConfig, variants: int, each: int, word: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_advantages(config, variants, each)
    assert word in caught.value.what and "Set train." in caught.value.do or "Set variants." in caught.value.do


def test_settings_that_mean_something_are_not_refused() -> None:
    for scope in SCOPES:
        check_advantages(settings(scope), 4, 2)
    for scope in ("joint", "per_variant"):
        check_advantages(settings(scope), 1, 8)
        for scale in SCALES:
            check_advantages(settings(scope, scale, baseline="leave_one_out", clip=5.0), 4, 2)
    check_advantages(settings("joint"), 8, 1)
    check_advantages(settings("hierarchical", mix=1.0), 1, 8)
    check_advantages(settings("hierarchical", "batch", min_std=0.05), 4, 2)

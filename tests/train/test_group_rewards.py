"""Group rewards are the published formulas, computed by hand here; what has no number is never given one."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from strive.configs.errors import StoppedError, UsageError
from strive.configs.load import load
from strive.configs.run_stages import TrainConfig
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.group_rewards import (
    Group,
    GroupRewards,
    Member,
    check_group_rewards,
    load_group_rewards,
    weighted,
    with_bonus,
)
from strive.stages.train.reward.rewards import Scored

pytest_plugins = ["own_code"]
Write = Callable[[str], str]
SAMPLE = Sample("q", "v.mp4", "Which?", ("red", "blue"), "B", "multiple_choice")


def member(accuracy: float, tokens: int = 400, variant: int = 0, total: float | None = None) -> Member:
    total = accuracy if total is None else total
    bad = () if math.isfinite(total) else ("judge",)
    return Member(Scored(total, {"accuracy": accuracy}, bad, accuracy, True), tokens, variant, True, "B")


def group(ordered: list[float], contrast: list[float]) -> Group:
    return Group(SAMPLE, tuple(map(member, ordered)), tuple(map(member, contrast)))


def rewards(**settings: Any) -> GroupRewards:
    return load_group_rewards(TrainConfig(**settings))


def bonus(made: GroupRewards, groups: list[Group]) -> list[list[float]]:
    """What each trained member gets."""
    return [[weighted(made.weights, parts) for parts in members] for members in made.values(groups)]


def by_hand(ordered: list[float], contrast: list[float], margin: float, alpha: float) -> list[float]:
    """Video-R1: r_i = alpha for o_i with accuracy > 0.1 if sum(ordered) / G >= mu * sum(contrast) / G~, else 0."""
    if sum(ordered) / len(ordered) < margin * sum(contrast) / len(contrast):
        return [0.0 for _ in ordered]
    return [alpha if accuracy > 0.1 else 0.0 for accuracy in ordered]


def test_temporal_is_the_rule_of_t_grpo() -> None:
    drawn, seen = random.Random(0), set()
    for _ in range(300):
        ordered = [drawn.choice([0.0, 0.05, 0.1, 0.2, 0.7, 1.0]) for _ in range(8)]
        contrast = [drawn.choice([0.0, 0.3, 1.0]) for _ in range(4)]
        margin = drawn.choice([0.0, 0.81, 1.03, 2.01])
        expected = by_hand(ordered, contrast, margin, 0.3)
        found = bonus(rewards(group_rewards={"temporal": 0.3}, temporal_margin=margin), [group(ordered, contrast)])
        assert found == [expected]
        seen.add(any(expected))
    assert seen == {True, False}


@pytest.mark.parametrize(("ordered", "contrast", "margin", "expected"), [
    ([1, 1, 1, 0, 0], [1, 1, 1, 0], 0.8, [1, 1, 1, 0, 0]),  # 3/5 is 0.8 x 3/4, though not in floats
    ([1, 0], [1, 0], 1.0, [1, 0]),
    ([1, 0, 0, 0], [1, 0], 0.8, [0, 0, 0, 0]),
    ([0, 0], [0, 0], 0.8, [0, 0]),
    ([0, 0], [1, 1], 0.8, [0, 0]),
    ([0.1, 0.1001], [0, 0], 0.8, [0, 1]),
    ([0.5, 0], [1, 1], 0.0, [1, 0]),
])
def test_temporal_at_its_edges(ordered: list[float], contrast: list[float], margin: float, expected: list[float]
                               ) -> None:
    assert bonus(rewards(group_rewards={"temporal": 1.0}, temporal_margin=margin), [group(ordered, contrast)]) \
        == [expected]


def test_temporal_takes_the_mean_over_all_variants_and_all_contrast_views() -> None:
    ordered = tuple(member(a, variant=v) for v, a in ((0, 1.0), (0, 1.0), (1, 0.0), (1, 0.0)))
    contrast = tuple(member(a, variant=v) for v, a in ((0, 1.0), (1, 0.0)))
    found = bonus(rewards(group_rewards={"temporal": 1.0}, temporal_margin=1.0), [Group(SAMPLE, ordered, contrast)])
    assert found == [[1, 1, 0, 0]]  # variant 1 alone would lose against the contrast view


def test_rollouts_without_a_reward_are_left_out_of_both_means() -> None:
    made = rewards(group_rewards={"temporal": 0.5}, temporal_margin=1.0)
    lost, won = member(0.0, total=math.nan), member(1.0, total=math.nan)
    assert bonus(made, [Group(SAMPLE, (member(1), lost), (member(1),))]) == [[0.5, 0.0]]
    assert bonus(made, [Group(SAMPLE, (member(0.5), won), (member(1),))]) == [[0.0, 0.0]]
    assert bonus(made, [Group(SAMPLE, (member(0.5),), (won, member(0)))]) == [[0.5]]
    ((kept, gone),) = made.rewarded([Group(SAMPLE, (member(1), lost), (member(1),))])
    assert kept.total == 1.5 and math.isnan(gone.total) and gone.bad == ("judge",)


def test_where_one_side_has_no_reward_at_all_nothing_is_compared_and_all_are_nan() -> None:
    made = rewards(group_rewards={"temporal": 0.5})
    nothing = (member(1.0, total=math.nan), member(1.0, total=math.inf))
    ((first, second),) = made.rewarded([Group(SAMPLE, (member(1), member(0)), nothing)])
    assert math.isnan(first.total) and math.isnan(second.total) and first.bad == ("temporal",)
    assert all(map(math.isnan, bonus(made, [Group(SAMPLE, nothing, (member(1),))])[0]))


def test_temporal_refuses_a_group_without_contrast_rollouts() -> None:
    with pytest.raises(UsageError, match="q has no rollouts on a contrast view"):
        bonus(rewards(group_rewards={"temporal": 0.3}), [group([1, 1], [])])


@pytest.mark.parametrize(("made", "expected"), [
    ([(1, 320), (1, 512), (1, 319), (1, 513), (0, 400)], [0.2, 0.2, 0, 0, 0]),
    ([(1, 400), (0.1, 400)], [0, 0]),
    ([(1, 400), (0.2, 10)], [0.2, 0]),
    ([(0, 400), (0, 400)], [0, 0]),
])
def test_the_length_band_is_for_correct_replies_when_two_are_correct(
    made: list[tuple[float, int]], expected: list[float]
) -> None:
    trained = tuple(member(accuracy, tokens) for accuracy, tokens in made)
    assert bonus(rewards(group_rewards={"length_band": 0.2}), [Group(SAMPLE, trained)]) == [expected]
    narrow = rewards(group_rewards={"length_band": 0.2}, length_band=(1, 5))
    assert bonus(narrow, [Group(SAMPLE, trained)]) == [[0.0] * len(made)]


def test_a_reply_without_a_reward_does_not_count_as_correct_for_the_band() -> None:
    trained = (member(1), member(1, total=math.nan))
    assert bonus(rewards(group_rewards={"length_band": 0.2}), [Group(SAMPLE, trained)]) == [[0.0, 0.0]]


def test_bonuses_are_weighted_added_to_the_reward_and_named_before_their_weight() -> None:
    made = rewards(group_rewards={"temporal": 0.3, "length_band": -0.2})
    ((one, two, three),) = made.rewarded([Group(SAMPLE, (member(1), member(1, 10), member(0)), (member(0),))])
    assert [one.total, two.total, three.total] == pytest.approx([1.1, 1.3, 0.0])
    assert one.parts == {"accuracy": 1, "temporal": 1, "length_band": 1} and one.bad == () and one.accuracy == 1


def test_without_group_rewards_nothing_changes() -> None:
    made, one = rewards(), group([1, 0], [])
    assert made.rewarded([one, one]) == [[m.scored for m in one.trained]] * 2 and bonus(made, [one]) == [[0.0, 0.0]]
    assert made.rewarded([]) == []


def test_a_bonus_that_is_no_number_makes_the_total_nan_and_is_named_beside_the_others() -> None:
    scored = Scored(math.nan, {"judge": math.nan}, ("judge",), 1.0, True)
    found = with_bonus(scored, {"mine": math.inf, "other": 2.0}, {"mine": 0.0, "other": 1.0})
    assert math.isnan(found.total) and found.bad == ("judge", "mine") and found.parts["other"] == 2.0


def test_a_function_of_the_users_own_sees_the_whole_group(write: Write) -> None:
    name = write("""
        def first(group):
            assert group.sample.answer == "B" and group.contrast[0].tokens == 400 and group.trained[0].text == "B"
            return [float(member.scored.accuracy > 0 and place == 0) for place, member in enumerate(group.trained)]
    """) + ":first"
    assert bonus(rewards(group_rewards={name: 0.5}), [group([1, 1], [1]), group([0, 1], [1])]) == [[0.5, 0], [0, 0]]


@pytest.mark.parametrize(("body", "kind", "told"), [
    ("raise KeyError('lost')", "raised KeyError", "raised KeyError: 'lost' (own_module_"),
    ("import sys; sys.exit('bye')", "raised SystemExit", "raised SystemExit: bye"),
    ("import time; time.sleep(60)", "timeout", "took longer than train.reward_timeout_s = 0.1 s"),
    ("return [float('nan')] * len(group.trained)", "not finite", "returned nan"),
])
def test_what_fails_is_nan_for_its_group_told_once_and_counted(body: str, kind: str, told: str, write: Write) -> None:
    name = write(f"""
        def picky(group):
            if group.contrast: return [1.0 for member in group.trained]
            {body}
    """) + ":picky"
    made = rewards(group_rewards={name: 1.0}, reward_timeout_s=0.1)
    (failed,), (fine,) = made.rewarded([group([1, 0, 1], [])]), made.rewarded([group([1, 0, 1], [1])])
    assert all(math.isnan(one.total) and one.bad == (name,) for one in failed) and fine[0].total == 2.0
    (warning,) = made.take_warnings()
    assert f"group reward {name} {told}" in warning and made.failures() == {name: {kind: 3}}
    bonus(made, [group([1], [])])
    assert made.take_warnings() == [] and made.failures() == {name: {kind: 4}}


def test_a_number_missing_for_one_member_costs_that_member_alone(write: Write) -> None:
    name = write("def some(group): return [1.0, float('inf'), 10**400, 0][:len(group.trained)]") + ":some"
    ((a, b, c, d),) = rewards(group_rewards={name: 1.0}).rewarded([group([0, 0, 0, 0], [])])
    assert (a.total, d.total) == (1.0, 0.0) and math.isnan(b.total) and math.isnan(c.total)


@pytest.mark.parametrize(("value", "told"), [
    ("[1.0]", "returned 1 values for 2 trained members"), ("[1, 2, 3]", "3 values for 2"), ("1.0", r"1.0 \(float\)"),
    ("None", "NoneType"), ("['1', 2]", r"returned '1' \(str\)"), ("[True, False]", "bool"), ("{0: 1, 1: 2}", "dict"),
])
def test_a_wrong_length_or_type_stops_at_the_first_call(value: str, told: str, write: Write) -> None:
    name = write(f"def odd(group): return {value}") + ":odd"
    with pytest.raises(UsageError, match=f"group reward {name} .*{told}"):
        bonus(rewards(group_rewards={name: 1.0}), [group([1, 0], [])])


def test_one_that_keeps_running_out_of_time_stops_the_run(write: Write) -> None:
    name = write("import time\ndef slow(group): time.sleep(60)") + ":slow"
    with pytest.raises(StoppedError, match=f"group reward {name} took longer than 0.05 s in 3 of 3 calls"):
        bonus(rewards(group_rewards={name: 1.0}, reward_timeout_s=0.05), [group([1, 0], [])] * 5)


def test_an_object_is_closed(write: Write) -> None:
    module = write("""
        class Judge:
            closed = 0
            def __call__(self, group): return [0.0 for _ in group.trained]
            def close(self): Judge.closed += 1
        judge = Judge()
    """)
    made = rewards(group_rewards={f"{module}:judge": 1.0})
    made.close()
    assert made.parts[f"{module}:judge"].function.closed == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("settings", "told"), [
    ({"group_rewards": {"temporl": 1.0}}, "no group reward named 'temporl'"),
    ({"group_rewards": {"format3": 1.0}}, "no group reward named 'format3'"),
    ({"group_rewards": {"nowhere_at_all:f": 1.0}}, "no module nowhere_at_all"),
])
def test_wrong_names_are_refused_before_anything_starts(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        rewards(**settings)


def test_the_same_function_cannot_be_a_reward_and_a_group_reward(write: Write) -> None:
    name = write("def both(*things): return 1.0") + ":both"
    with pytest.raises(UsageError, match=r"in train.rewards and in train.group_rewards"):
        rewards(rewards={name: 1.0}, group_rewards={name: 1.0})


@pytest.mark.parametrize("text", ["def f(sample, reply): return []", "async def f(group): return []", "f = 3",
                                  "class f:\n    pass", "def f(group):\n    yield 1"])
def test_what_cannot_be_called_with_a_group_is_refused(text: str, write: Write) -> None:
    with pytest.raises(UsageError, match="train.group_rewards"):
        rewards(group_rewards={write(text) + ":f": 1.0})


@pytest.mark.parametrize(("contrast", "rollouts", "fine"), [
    (["shuffle"], 4, True), (["shuffle"], 0, False), ([], 4, False), ([], 0, False)])
def test_temporal_needs_contrast_views_and_rollouts_on_them(contrast: list[str], rollouts: int, fine: bool) -> None:
    flags = {"train.group_rewards": {"temporal": 0.3}, "variants.contrast": contrast,
             "train.contrast_rollouts": rollouts}
    config = load(env={}, flags=flags).config
    if fine:
        check_group_rewards(config)
        return
    with pytest.raises(UsageError, match="temporal with variants.contrast = "):
        check_group_rewards(config)


def test_the_recipe_of_t_grpo_can_be_used() -> None:
    check_group_rewards(load(recipe="t_grpo", env={}).config)

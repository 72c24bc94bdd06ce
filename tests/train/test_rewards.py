"""Rewards come from text by the same format object as evaluation; what has no number is never given one."""

import math

import pytest

from strive.configs.errors import UsageError
from strive.stages.tasks.prompt import PROMPT_FORMATS, Reply
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.rewards import REWARDS, Scored, check_names, load_rewards

CHOICE = Sample("q", "v.mp4", "Which?", ("red", "blue"), "B", "multiple_choice")
DEFAULT = {"accuracy": 0.9, "format": 0.1}
FORMAT = PROMPT_FORMATS["think_answer"]


def score(sample: Sample, reply: Reply, weights: dict[str, float]) -> Scored:
    return load_rewards(weights, timeout_s=60.0).score(sample, reply)


@pytest.mark.parametrize(("reply", "truncated", "expected"), [
    ("<think>it was blue</think><answer>B</answer>", False, 1.0),
    ("<think>hm</think><answer>A</answer>", False, 0.1),
    ("<answer>B</answer>", False, 0.9),
    ("<think>A or B", True, 0.0),
    ("", False, 0.0),
    ("<think>B</think><answer></answer>", False, 0.0),
])
def test_accuracy_and_format_are_weighted_and_summed(reply: str, truncated: bool, expected: float) -> None:
    scored = score(CHOICE, FORMAT.parse(reply, truncated), DEFAULT)
    assert scored.total == pytest.approx(expected) and scored.bad == ()


@pytest.mark.parametrize(("text", "kind", "expected"), [
    ("<think>hm</think><answer>A</answer>", "multiple_choice", 1.0),
    ("<think>hm</think><answer>the sky</answer>", "multiple_choice", 0.5),
    ("<think>hm</think><answer>12 cm</answer>", "numerical", 1.0),
    ("<think>hm</think><answer>a few</answer>", "numerical", 0.5),
    ("<think>hm</think><answer>[1, 2]</answer>", "interval", 1.0),
    ("<think>hm</think><answer>early</answer>", "interval", 0.5),
    ("<answer>A</answer>", "multiple_choice", 0.0),
    ("", "numerical", 0.0),
])
def test_format3_asks_for_shape_and_kind_and_not_for_the_right_answer(text: str, kind: str, expected: float) -> None:
    gold = {"multiple_choice": "B", "numerical": "7", "interval": "[30, 40]"}[kind]
    sample = Sample("q", "v.mp4", "Which?", ("red", "blue") if kind == "multiple_choice" else None, gold, kind)
    assert score(sample, FORMAT.parse(text, False), {"format3": 1.0}).total == expected


def test_rewards_of_a_batch_are_those_of_its_replies() -> None:
    replies = [FORMAT.parse(text, False) for text in ("<think>a</think><answer>B</answer>", "A", "<answer>B</answer>")]
    rewards = load_rewards({"accuracy": 0.9, "format": 0.1, "format3": 2.0}, timeout_s=60.0)
    assert rewards.score_batch([CHOICE] * 3, replies) == [rewards.score(CHOICE, reply) for reply in replies]
    assert [scored.total for scored in rewards.score_batch([CHOICE] * 3, replies)] == [3.0, 0.0, 0.9]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reward_without_a_finite_number_makes_the_total_nan_and_is_named(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "odd", lambda sample, reply: value)
    scored = score(CHOICE, FORMAT.parse("<answer>B</answer>", False), {"accuracy": 0.5, "odd": 0.5})
    assert math.isnan(scored.total) and scored.bad == ("odd",) and scored.accuracy == 1.0


@pytest.mark.parametrize("value", [None, "1", [1.0], True])
def test_a_reward_that_returns_something_else_is_an_error_naming_it(
    value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "odd", lambda sample, reply: value)
    with pytest.raises(UsageError, match="reward odd returned"):
        score(CHOICE, FORMAT.parse("x", False), {"odd": 1.0})


def test_an_unknown_reward_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean accuracy"):
        check_names({"acuracy": 1.0})
    with pytest.raises(UsageError, match="or module:function"):
        check_names({"something": 1.0})
    with pytest.raises(UsageError, match="empty"):
        check_names({})
    with pytest.raises(UsageError, match="finite weight"):
        check_names({"format": math.nan})

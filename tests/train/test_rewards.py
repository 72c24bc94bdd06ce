"""Rewards come from text by the same format object as evaluation; what has no number is never given one."""

import math

import pytest

from strive.configs.errors import UsageError
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Sample
from strive.stages.train.rewards import REWARDS, check_names, score

CHOICE = Sample("q", "v.mp4", "Which?", ("red", "blue"), "B", "multiple_choice")
DEFAULT = {"accuracy": 0.9, "format": 0.1}
FORMAT = PROMPT_FORMATS["think_answer"]


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
    with pytest.raises(UsageError, match="empty"):
        check_names({})
    with pytest.raises(UsageError, match="finite weight"):
        check_names({"format": math.nan})

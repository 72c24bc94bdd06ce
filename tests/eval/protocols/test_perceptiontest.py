"""PerceptionTest's protocols give the verdicts that the harnesses' own code gave on the same replies."""

import pytest

from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.published import Published


def row(gold):
    return Published("1", "perceptiontest", "mc", "Where?", ["left", "middle", "right"], gold)


@pytest.mark.parametrize(("gold", "reply", "lmms", "video_r1"), [
    ("1", "B", 1, 1),
    ("1", "b", 0, 0),
    ("1", "**B**", 1, 0),
    ("1", "The answer is B.", 1, 0),
    ("1", "B<|im_end|>", 1, 0),
    ("1", "A person taps the table, so B.", 0, 0),
    ("2", "A camera moves, so C.", 0, 0),
    ("2", "Cannot be determined, C", 1, 0),
    ("2", "D", 0, 0),
    ("1", "middle", 0, 0),
    ("1", "BB", 0, 0),
    ("1", "<think>A or C</think> B", 1, 0),
    ("1", "", 0, 0),
])
def test_replies_get_the_verdict_of_each_harness(gold, reply, lmms, video_r1):
    assert [judge(name, row(gold), reply).score for name in ("lmms-eval", "video-r1")] == [lmms, video_r1]


def test_read_raw_a_thought_that_never_closes_is_scored():
    reply = "<think>B it is<answer>A</answer>"
    assert judge("lmms-eval", row("1"), reply, raw=True).score == 1
    assert judge("lmms-eval", row("1"), reply).score == 0
    assert judge("video-r1", row("1"), reply, raw=True).score == 0


def test_the_authors_and_vlmevalkit_have_no_rule_and_the_test_split_no_answers():
    assert [judge(name, row("1"), "B").score for name in ("official", "vlmevalkit")] == [None, None]
    for gold in ("", None):
        assert [judge(name, row(gold), "B").score for name in ("lmms-eval", "video-r1")] == [None, None]


def test_the_prompt_letters_the_options():
    prompt = rule_of("lmms-eval", "perceptiontest").prompt(row("1"), None)
    expected = "Where?\nA. left\nB. middle\nC. right\nAnswer with the option's letter from the given choices directly."
    assert prompt == expected

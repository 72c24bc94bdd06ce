"""MVBench's protocols give the verdicts that the harnesses' own code gave on the same replies."""

import pytest

from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.published import Published

ROW = Published("1", "mvbench", "action_antonym", "What?", ["Put it down.", "Take it up.", "not sure"], "Take it up.")


@pytest.mark.parametrize(("reply", "official", "lmms", "video_r1"), [
    ("B", 1, 1, 1),
    ("(B)", 1, 1, 0),
    ("(B) Take it up.", 1, 1, 0),
    ("B. Take it up.", 1, 1, 0),
    ("b", 1, 1, 0),
    ("The answer is B.", 0, 1, 0),
    ("**B**", 0, 1, 0),
    ("A man takes it, so B.", 0, 0, 0),
    ("Take it up.", 0, 0, 0),
    ("B-side", 0, 1, 0),
    ("A", 0, 0, 0),
    ("", 1, 0, 0),
])
def test_replies_get_the_verdict_of_each_harness(reply, official, lmms, video_r1):
    names = ("official", "lmms-eval", "video-r1")
    assert [judge(name, ROW, reply).score for name in names] == [official, lmms, video_r1]


@pytest.mark.parametrize(("reply", "score"), [
    ("B", 1), ("(B) Take it up.", 1), ("The answer is B.", 1), ("A man does it. The answer is B", 0),
    ("Take it up.", 1), ("It is B because he takes the box off the table", 0), ("A", 0), ("Z", 0), ("", 1), (" \n", 1),
    (" B", 1), (" A", 0), ("\nB\nas he lifts it off the table top", 0),
])
def test_vlmevalkit_infers_a_lone_letter_near_the_end_or_an_options_text(reply, score):
    assert judge("vlmevalkit", ROW, reply).score == score


@pytest.mark.parametrize(("reply", "official", "kit"), [("A", 0, 1), ("C", 1, 1), ("It is A", 0, 1), ("It is C", 0, 0)])
def test_of_equal_options_the_last_is_compared_and_the_first_inferred(reply, official, kit):
    row = Published("1", "mvbench", "action_antonym", "What?", ["up", "down", "up"], "up")
    assert (judge("official", row, reply).score, judge("vlmevalkit", row, reply).score) == (official, kit)


def test_lmms_eval_leaves_empty_replies_out_of_its_denominator():
    assert not judge("lmms-eval", ROW, "<think>B</think>", raw=True).counted
    assert judge("lmms-eval", ROW, "no idea").counted


def test_an_answer_that_is_none_of_the_options_has_no_verdict():
    row = Published("1", "mvbench", "action_antonym", "What?", ["left", "right"], "up")
    assert [judge(name, row, "A").score for name in ("official", "lmms-eval", "video-r1")] == [None] * 3


def test_prompts_are_the_harnesses_own():
    def prompt(name):
        return rule_of(name, "mvbench").prompt(ROW, None)

    options = "(A) Put it down.\n(B) Take it up.\n(C) not sure\n"
    assert prompt("official") == f"Question: What?\nOptions:\n{options}Only give the best option."
    assert prompt("lmms-eval") == f"Question:What?\nOption:\n{options}Only give the best option.\n"

"""Video-R1's reward, kind by kind, and dataset files under it."""

import pytest

from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.protocols.reading.video_r1 import video_r1_prompt, video_r1_verdict
from strive.stages.eval.published import Published


@pytest.mark.parametrize("reply", ["B.", "(B)", "b", "B. text", "**B**", "\\boxed{B}", "B<|im_end|>", "A", ""])
def test_a_choice_is_the_letter_alone_or_wrong(reply):
    assert video_r1_verdict("multiple choice", "B", reply).score == 0
    assert video_r1_verdict("multiple choice", "B", " B\n").score == 1


@pytest.mark.parametrize(("gold", "reply", "score"), [
    ("4", "4", 1), ("4", "4.0", 0), ("7243000", "7,243,000", 0), ("12.97", "12.97 mL", 0), ("12.97", "12.971", 1),
    ("7,243,000", "7243000.0", 1), ("12.97", "12.98", 0), ("4", "four", 0), ("4", "nan", 0), ("4", "inf", 0),
])
def test_a_number_agrees_to_two_decimals_and_in_its_separators(gold, reply, score):
    assert video_r1_verdict("numerical", gold, reply).score == score


def test_the_first_answer_counts_and_an_empty_one_gives_the_whole_text():
    assert video_r1_verdict("multiple choice", "B", "<answer>\nB </answer><answer>A</answer>").score == 1
    assert video_r1_verdict("multiple choice", "B", "<answer></answer>B").score == 0


def test_open_kinds_are_never_right():
    assert [video_r1_verdict(kind, "cat", "cat").score for kind in ("OCR", "free-form")] == [0, 0]


def test_braces_in_a_question_are_asked_as_they_stand():
    assert video_r1_prompt("numerical", "What is {x}?", None).startswith("What is {x}?\nPlease think about")


def test_options_keep_their_letters_or_are_given_them():
    expected = "Q?Options:\nA. one\nB. two\n\nPlease think"
    for options in (["one", "two"], ["A. one", "B. two"], {"A": "one", "B": "two"}):
        assert video_r1_prompt("multiple choice", "Q?", options).startswith(expected)


def test_a_dataset_file_is_read_by_its_question_types():
    def score(question_type, answer, reply, **meta):
        row = Published("1", "demo", question_type, "Q?", ["x", "y"], answer, meta)
        return judge("video-r1", row, reply).score

    assert [score("multiple_choice", "B", reply) for reply in ("B", "y")] == [1, 0]
    assert [score("numerical", "4", reply) for reply in ("4", "5")] == [1, 0]
    assert score("numerical", "4", "5", metric="mra") == pytest.approx(0.5)
    assert [score(kind, "yes", "yes") for kind in ("yes_no", "interval")] == [None, None]
    assert rule_of("official", "demo") is None

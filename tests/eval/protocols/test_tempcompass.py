"""TempCompass's protocols give the verdicts that the harnesses' own code gave on the same replies."""

import pytest

from strive.stages.eval.benchmarks import rows_of
from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.published import Published

HARNESSES = ("official", "lmms-eval", "vlmevalkit", "video-r1")
CHOICE = Published("1", "tempcompass", "multi-choice", "What?\nA. throwing\nB. kicking the ball\nC. catching", None,
                   "B. kicking the ball")
CAPTION = Published("2", "tempcompass", "caption_matching",
                    "Which?\nOption 1: A boy: he throws.\nOption 2: A boy kicks.", None, "Option 2: A boy kicks.")
MC = {"mc_question": "What?\nA. throwing\nB. kicking", "mc_answer": "B. kicking"}


def scores(row, reply, raw=False):
    return tuple(judge(name, row, reply, raw).score for name in HARNESSES)


def yes_no(gold):
    return Published("3", "tempcompass", "yes_no", "Is it?", None, gold)


def captioning(**meta):
    return Published("4", "tempcompass", "captioning", "Generated Caption:", None, "B. kicking", {**MC, **meta})


@pytest.mark.parametrize(("reply", "expected"), [
    ("B", (1, 1, 1, 1)),
    ("B. kicking the ball", (1, 1, 1, 0)),
    ("B. something else", (1, 1, 1, 0)),
    ("B)", (1, 1, 1, 0)),
    ("B.", (1, 1, 1, 0)),
    ("(B)", (0, 0, 0, 0)),
    ("b", (0, 0, 0, 0)),
    ("The answer is B.", (0, 0, 0, 0)),
    (" B", (1, 1, 0, 1)),
    ("B</s>", (1, 0, 0, 0)),
    ("B<|im_end|>", (0, 0, 0, 0)),
    ("A. kicking the ball", (0, 0, 0, 0)),
    ("kicking the ball", (0, 0, 0, 0)),
    ("<think>A?</think><answer>B</answer>", (1, 1, 1, 1)),
    ("", (0, 0, 0, 0)),
])
def test_a_choice_is_its_line_or_a_letter_at_the_start(reply, expected):
    assert scores(CHOICE, reply) == expected


def test_read_raw_an_answer_tag_is_never_matched():
    assert scores(CHOICE, "<think>A?</think><answer>B</answer>", raw=True) == (0, 0, 0, 1)


@pytest.mark.parametrize(("reply", "expected"), [
    ("no", (1, 1, 1)), ("No, it is not.", (1, 1, 1)), ("Nothing", (1, 1, 1)), ("Now", (1, 1, 1)),
    ("Not sure", (1, 1, 1)), (" no", (1, 1, 0)), ("Yes", (0, 0, 0)), ("It does not", (0, 0, 0)), ("**No**", (0, 0, 0)),
])
def test_yes_or_no_is_how_the_reply_starts(reply, expected):
    assert scores(yes_no("no"), reply) == (*expected, None)


@pytest.mark.parametrize(("reply", "right"), [
    ("Option 2: A boy kicks.", 1), ("A boy kicks.", 1), ("Option 2", 1), ("Option 2.", 1), ("2", 1), ("2.", 1),
    ("2) A boy kicks.", 1), ("Option 2)", 0), ("option 2", 0), ("Option 1", 0), ("A boy kicks", 0),
    ("The answer is 2", 0), ("A boy: he throws.", 0), ("B", 0),
])
def test_a_caption_is_its_line_its_text_or_its_name(reply, right):
    assert scores(CAPTION, reply)[:3] == (right,) * 3


def test_a_caption_with_a_colon_is_matched_by_what_stands_before_it():
    row = Published("2", "tempcompass", "caption_matching", CAPTION.question, None, "Option 1: A boy: he throws.")
    assert scores(row, "A boy")[:3] == (1, 1, 1)
    assert scores(row, "A boy: he throws.")[:3] == (0, 0, 0)
    assert scores(row, "Option 1: A boy: he throws.")[:3] == (1, 1, 1)


@pytest.mark.parametrize(("judged", "score"), [
    ("B. kicking", 1), ("Reasoning: it says so.\nAnswer: B. kicking", 1), ("Answer: B", 0), ("B", 0),
    ("A. throwing", 0), ("B. kicking or A. throwing", 0), ("None of the choices are correct", 0),
    ("", -1), ("invalid_request_error", -1),
    ("Answer: B. kicking\nAnswer: A. throwing", 0),
])
def test_captioning_is_what_its_judge_answered(judged, score):
    assert scores(captioning(judge_output=judged), "A boy kicks a ball.")[:3] == (score,) * 3


def test_captioning_without_a_judge_has_no_score():
    assert scores(captioning(), "A boy kicks a ball.")[:3] == (None,) * 3


def test_video_r1_asks_captioning_and_matching_as_choices():
    assert [judge("video-r1", captioning(), reply).score for reply in ("B", "A", "B.")] == [1, 0, 0]
    assert [judge("video-r1", CAPTION, reply).score for reply in ("B", "A", "2")] == [1, 0, 0]
    lettered = Published("5", "tempcompass", "yes_no", "Is it?", ["A. yes", "B. no"], "B")
    assert [judge("video-r1", lettered, reply).score for reply in ("B", "A", "no")] == [1, 0, 0]


def test_an_empty_reply_says_that_vlmevalkit_fails_on_it():
    verdict = judge("vlmevalkit", CHOICE, "")
    assert (verdict.score, verdict.status) == (0, "empty")
    assert "fails" in verdict.rule


def test_prompts_end_with_the_tasks_request():
    def prompt(name, row):
        return rule_of(name, "tempcompass").prompt(row, None)

    for name in HARNESSES[:3]:
        assert prompt(name, CHOICE) == CHOICE.question + "\nPlease directly give the best option:"
        assert prompt(name, CAPTION) == CAPTION.question + "\nPlease directly give the best option:"
        assert prompt(name, yes_no("no")) == "Is it?\nPlease answer yes or no:"
        assert prompt(name, captioning()) == "Generated Caption:"
    options = "A. throwing\nB. kicking the ball\nC. catching\n"
    assert prompt("video-r1", CHOICE).startswith(f"What?Options:\n{options}\nPlease")


@pytest.mark.parametrize("kind", ["multi_choice", "multiple-choice", "multiple_choice", "Multi-Choice"])
def test_the_task_may_be_spelled_otherwise(kind):
    row = Published("1", "tempcompass", kind, CHOICE.question, None, CHOICE.answer, {"dim": "action"})
    assert scores(row, "B") == (1, 1, 1, 1) and scores(row, "(B)") == (0, 0, 0, 0)
    assert rows_of("tempcompass").categories(row)["task"] == "multi-choice"


def test_a_caption_that_a_judge_has_read_has_no_score_under_video_r1():
    assert judge("video-r1", captioning(judge_output="B. kicking"), "A boy kicks a ball.").score is None


@pytest.mark.parametrize(("bench", "answer"), [("videomme", None), ("videommmu", None), ("mmvu", None)])
def test_a_row_without_an_answer_has_no_score(bench, answer):
    row = Published("1", bench, "multiple-choice", "?", ["A. x", "B. y"], answer)
    assert scores(row, "B") == (None,) * 4

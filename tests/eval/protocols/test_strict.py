"""The strict protocol on rows as benchmarks publish them: statuses, the judge's answers, the rule that is named."""

from dataclasses import replace

import pytest

from strive.stages.eval.protocols.strict import read_strictly
from strive.stages.eval.published import Published
from strive.stages.tasks.sample_rows import RowError

CHOICE = Published("1", "videomme", "", "What falls?", ["A. A cup.", "B. A plate.", "C. A spoon.", "D. A book."], "B")
MC_QUESTION = "What is the boy doing?\nA. throwing a ball\nB. kicking a ball\nC. catching a ball"

STATUSES = [  # reply, cut, score, status, parsed
    ("B", False, 1.0, "ok", "B"),
    ("A", False, 0.0, "ok", "A"),
    ("B or C", False, 0.0, "ambiguous", None),
    ("It cannot be seen.", False, 0.0, "unparsed", None),
    ("<think>It is B", False, 0.0, "truncated", None),
    ("It must be B", True, 0.0, "truncated", None),
    ("<answer>B</answer> and", True, 1.0, "ok", "B"),
    (" \n", False, 0.0, "empty", None),
]


@pytest.mark.parametrize(("reply", "cut", "score", "status", "parsed"), STATUSES)
def test_no_answer_scores_0_and_says_why(reply: str, cut: bool, score: float, status: str, parsed: str | None) -> None:
    found = read_strictly(CHOICE, reply, cut)
    assert (found.score, found.status, found.parsed, found.counted) == (score, status, parsed, True)


RULES = [
    ("<think>C</think><answer>B</answer>", "<answer> tag, letter alone"),
    ("So the answer is B, not C.", "last statement"),
    ("A plate.", "option text"),
    ("First a plate falls", "option text in a sentence"),
    ("A is wrong. B is right.", "verdict on a letter"),
    ("Option 2", "marked letter"),
    ("B. A cup.", "a letter with another option's text"),
    ("No idea", ""),
]


@pytest.mark.parametrize(("reply", "rule"), RULES)
def test_the_rule_says_how_a_reply_was_read(reply: str, rule: str) -> None:
    assert read_strictly(CHOICE, reply).rule == rule


def caption(**meta: str) -> Published:
    told = {"mc_question": MC_QUESTION, "mc_answer": "B. kicking a ball", "dim": "action", **meta}
    return Published("1", "tempcompass", "captioning", "Generated Caption:", None, "B. kicking a ball", told)


@pytest.mark.parametrize(("judge", "score", "status"), [
    ("B. kicking a ball", 1.0, "ok"),
    ("B", 1.0, "ok"),
    ("The answer is (B).", 1.0, "ok"),
    ("A. throwing a ball", 0.0, "ok"),
    ("A or B", 0.0, "ambiguous"),
    ("", 0.0, "empty"),
])
def test_a_caption_counts_by_what_the_judge_answered(judge: str, score: float, status: str) -> None:
    found = read_strictly(caption(judge_output=judge), "B. A boy is kicking a ball.")
    assert (found.score, found.status) == (score, status)
    assert found.rule.startswith("the judge's answer")


def test_a_caption_that_no_judge_saw_is_not_scored() -> None:
    found = read_strictly(caption(), "A boy is kicking a ball.")
    assert (found.score, found.status, found.parsed) == (None, "unscorable", None)
    assert read_strictly(replace(caption(), meta={"judge_output": None}), "A boy.").score is None


def test_a_caption_without_an_answer_of_its_own_is_compared_with_the_judges_question() -> None:
    assert read_strictly(replace(caption(judge_output="B"), answer=None), "A boy kicks.").score == 1


FREE = [  # gold, reply, score
    ("Dolly Zoom", "It is a dolly zoom.", 1.0),
    ("Dolly Zoom", "zoom", 0.0),
    ("Dolly Zoom", "e", 0.0),
    ("Dolly Zoom", "It is not a dolly zoom.", 0.0),
    ("Dolly Zoom", "a dolly zoom or a tilt", 0.0),
    ("center of gravity (mass)", "Center of mass", 1.0),
    ("center of gravity (mass)", "mass", 0.0),
    ("Convolutional Neural Network (CNN)", "CNN", 1.0),
    ("Convolutional Neural Network (CNN)", "neural network", 0.0),
    ("O(n log n)", "O(nlogn)", 1.0),
    ("O(n log n)", "O(n)", 0.0),
    ("x + 1", "x - 1", 0.0),
    ("0.5 mol", "500 mmol", 1.0),
    ("0.5 mol", "0.5 g", 0.0),
    ("9.8 m/s^2", "9.8", 1.0),
    ("25", "25", 1.0),
    ("25", "either 25 or 26", 0.0),
    ("red or blue", "blue", 1.0),
    ("C", "arrow C", 1.0),
    ("C", "Cannot be determined", 0.0),
    ("A", "The point at B", 0.0),
]


@pytest.mark.parametrize(("gold", "reply", "score"), FREE)
def test_a_free_answer_is_the_gold_answer_or_it_is_wrong(gold: str, reply: str, score: float) -> None:
    row = Published("1", "mmvu", "open-ended", "What is it?", dict.fromkeys("ABCDE", ""), gold, {})
    assert read_strictly(row, reply).score == score


def test_a_row_that_is_not_its_benchmarks_is_refused() -> None:
    with pytest.raises(RowError):
        read_strictly(Published("1", "videomme", "", "What falls?", ["A. A cup.", "B. A plate."], "F"), "B")

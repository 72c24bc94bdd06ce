"""Numbers, yes and no, several letters, intervals, boxes, ids and free text: what a person reads in a reply."""

import json

import pytest

from strive.stages.tasks.choice import read_letter
from strive.stages.tasks.grade import grade
from strive.stages.tasks.numbers import read_number
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Sample

NUMBERS = [  # gold, reply, expected: right | wrong | status
    ("4", "4", "right"),
    ("4", "4.0", "right"),
    ("4", "four", "right"),
    ("4", "Four.", "right"),
    ("4", "5", "wrong"),
    ("4", "There are 4 chairs.", "right"),
    ("4", "four chairs", "right"),
    ("4", "~4", "right"),
    ("4", "about 4", "right"),
    ("4", "4 isomers", "right"),
    ("4", "**4**", "right"),
    ("4", "\\boxed{4}", "right"),
    ("4", "$4$", "right"),
    ("4", "4 (four)", "right"),
    ("4", "2 at the table + 2 at the desk = 4", "right"),
    ("4", "2+2=4", "right"),
    ("4", "The answer is 4.", "right"),
    ("4", "I count 2 on the left and 2 on the right, so the total is 4.", "right"),
    ("4", "4 or 5", "ambiguous"),
    ("4", "4-5", "ambiguous"),
    ("4", "between 4 and 5", "ambiguous"),
    ("4", "3 or 4", "ambiguous"),
    ("4", "no idea", "unparsed"),
    ("4", "many", "unparsed"),
    ("4", "not 5 but 4", "right"),
    ("4", "4, not 5", "right"),
    ("4", "-4", "wrong"),
    ("-4", "-4", "right"),
    ("-4", "minus 4", "right"),
    ("-4", "negative four", "right"),
    ("1", "5 minus 4", "ambiguous"),
    ("0", "zero", "right"),
    ("0", "none", "right"),
    ("0", "0", "right"),
    ("25", "twenty-five", "right"),
    ("25", "twenty five", "right"),
    ("301", "three hundred and one", "right"),
    ("1500", "one thousand five hundred", "right"),
    ("2500000", "2.5 million", "right"),
    ("7243000", "7,243,000", "right"),
    ("7,243,000", "7243000", "right"),
    ("7243000", "$7,243,000", "right"),
    ("7243000", "7.243 million", "right"),
    ("24.6", "24.6 m^2", "right"),
    ("24.6", "24.6 m²", "right"),
    ("24.6", "24.6m2", "right"),
    ("1.5", "1.5m", "right"),
    ("1.5", "1,5", "right"),
    ("12.97", "$12.97$ mL", "right"),
    ("12.97", "12.97", "right"),
    ("12.97", "12.9", "wrong"),
    ("3.43", "3.429", "right"),
    ("120", "1.2e2", "right"),
    ("1200", "1.2 × 10^3", "right"),
    ("1200", "1.2x10^3", "right"),
    ("0.5", ".5", "right"),
    ("0.5", "1/2", "right"),
    ("0.5", "half", "right"),
    ("0.5", "\\frac{1}{2}", "right"),
    ("50%", "50%", "right"),
    ("50%", "50 percent", "right"),
    ("50", "50%", "right"),
    ("0.5", "50%", "right"),
    ("50%", "0.5", "right"),
    ("12", "a dozen", "right"),
    ("3", "三个", "right"),
    ("3", "答案是3", "right"),
    ("3", "３", "right"),
    ("10000", "1万", "right"),
    ("4", "frame12 shows a T2 sign", "unparsed"),
    ("1000000", "1 000 000", "right"),
    ("1000", "1'000", "right"),
    ("5", "5 5 5", "right"),
    ("4", "The room has 4 chairs and 2 tables.", "ambiguous"),
    ("2", "twice", "right"),
    ("1", "just one", "right"),
    ("3", "x = 3", "right"),
    ("100", "100k", "wrong"),
    ("3.5", "approximately 3.5 meters", "right"),
    ("3.5", "3.5 meters (about 11.5 feet)", "right"),
    ("120", "The table is 120 cm (1.2 m) long.", "right"),
    ("4", "4 (or 5)", "ambiguous"),
    ("4", "4 in total: 2 by the door and 2 by the wall", "right"),
    ("4", "In total there are 4 chairs, 2 by the door.", "right"),
    ("4", "There are four chairs: two at the table, one by the window and one by the door.", "right"),
    ("4", "4 chairs (2 by the table, 2 by the wall)", "right"),
    ("4", "4\n\nThere are 2 at the table and 2 at the desk.", "right"),
    ("4", "2 at the table and 2 at the desk, 1 by the window minus 1 counted twice\n4", "right"),
    ("4", "Frame 1: 2 chairs. Frame 2: 3 chairs.", "ambiguous"),
    ("4", "I see 4 chairs in frame 12; 3 in frame 13.", "ambiguous"),
    ("4", "a total of 4 chairs", "right"),
    ("4", "The number of chairs is 4.", "right"),
    ("4", "The answer is 4, since 2 + 2 is 4.", "right"),
    ("4", "4 or more", "right"),
    ("4", "at least 5", "wrong"),
    ("2.5", "2.5-meter", "right"),
    ("30", "30°", "right"),
    ("3", "III", "unparsed"),
]


@pytest.mark.parametrize(("gold", "reply", "expected"), NUMBERS)
def test_a_number_is_read_as_a_person_would(gold: str, reply: str, expected: str) -> None:
    mark = graded("numerical", reply, gold)
    assert (mark.status if mark.parsed is None else "right" if mark.score == 1 else "wrong") == expected


YES_NO = [
    ("yes", "yes"),
    ("Yes.", "yes"),
    ("No", "no"),
    ("no.", "no"),
    ("**Yes**", "yes"),
    ("Yes, the dog barks.", "yes"),
    ("No, it does not.", "no"),
    ("The answer is yes.", "yes"),
    ("The answer is no", "no"),
    ("Now", "unparsed"),
    ("Not sure", "unparsed"),
    ("Nothing", "unparsed"),
    ("Yes and no", "ambiguous"),
    ("yes or no", "ambiguous"),
    ("There is no dog, so yes.", "yes"),
    ("No doubt, the answer is yes", "yes"),
    ("True", "yes"),
    ("false", "no"),
    ("是", "yes"),
    ("不是", "no"),
    ("否", "no"),
    ("Maybe", "unparsed"),
    ("Y", "yes"),
    ("n", "no"),
    ("\\boxed{yes}", "yes"),
    ("Noticeably so", "unparsed"),
    ("I would say no.", "no"),
    ("Answer: Yes", "yes"),
]


@pytest.mark.parametrize(("reply", "expected"), YES_NO)
def test_yes_and_no_are_words_not_prefixes(reply: str, expected: str) -> None:
    mark = graded("yes_no", reply, "yes")
    assert (mark.parsed or mark.status) == expected
    assert mark.score == float(expected == "yes")


SETS = [
    ("A,C", 1.0),
    ("A, C", 1.0),
    ("C, A", 1.0),
    ("AC", 1.0),
    ("A and C", 1.0),
    ("(A) and (C)", 1.0),
    ("A; C", 1.0),
    ("The answer is A and C.", 1.0),
    ("A", 0.0),
    ("A, B, C", 0.0),
    ("A, C and D", 0.0),
    ("red\nblue", 1.0),
    ("none", 0.0),
]


@pytest.mark.parametrize(("reply", "score"), SETS)
def test_several_letters_must_all_be_right(reply: str, score: float) -> None:
    options = ("red", "green", "blue", "black")
    mark = grade(Sample("1", "v", "q", options, "A,C", "multi_answer"), PROMPT_FORMATS["direct"].parse(reply, False))
    assert mark.score == score


def test_the_partial_metric_gives_the_share_of_right_letters_and_nothing_for_a_wrong_one() -> None:
    sample = Sample(
        "1", "v", "q", ("red", "green", "blue", "black"), "A,C", "multi_answer", {"metric": "letters_partial"}
    )
    scores = [grade(sample, PROMPT_FORMATS["direct"].parse(reply, False)).score for reply in ("A", "A,C", "A,B", "B")]
    assert scores == [0.5, 1.0, 0.0, 0.0]


INTERVALS = [
    ("[5, 10]", [5, 10]),
    ("5s to 10s", [5, 10]),
    ("from 5 to 10 seconds", [5, 10]),
    ("5 - 10", [5, 10]),
    ("5.0–10.0 s", [5, 10]),
    ('{"time": [5, 10]}', [5, 10]),
    ('```json\n{"time": [5.5, 10.25]}\n```', [5.5, 10.25]),
    ("00:05 - 00:10", [5, 10]),
    ("1:00 to 1:30", [60, 90]),
    ("start: 5, end: 10", [5, 10]),
    ("It starts at 5 seconds and ends at 10 seconds.", [5, 10]),
    ("between 5 and 10", [5, 10]),
    ("5秒到10秒", [5, 10]),
    ("[10, 5]", None),
    ("5", None),
    ("[1, 2] or [3, 4]", None),
    ("never", None),
]


@pytest.mark.parametrize(("reply", "expected"), INTERVALS)
def test_an_interval_is_read_in_its_usual_forms_and_never_repaired(reply: str, expected: list[float] | None) -> None:
    mark = graded("interval", reply, "[5, 10]")
    assert (json.loads(mark.parsed) if mark.parsed else None) == expected


BOXES = [
    ("[1, 2, 30, 40]", [1, 2, 30, 40]),
    ('{"bbox_2d": [1, 2, 30, 40], "label": "cup"}', [1, 2, 30, 40]),
    ("[30, 2, 1, 40]", None),
    ("[1, 2, 3]", None),
]


@pytest.mark.parametrize(("reply", "expected"), BOXES)
def test_a_box_must_be_ordered(reply: str, expected: list[float] | None) -> None:
    mark = graded("box", reply, "[1, 2, 30, 40]")
    assert (json.loads(mark.parsed) if mark.parsed else None) == expected


def test_an_id_and_an_interval_score_half_each() -> None:
    gold = '{"id": 3, "time": [0, 10]}'
    scores = [
        graded("id_interval", reply, gold).score
        for reply in (gold, '{"id": 4, "time": [0, 10]}', "id: 3, from 0 to 5 s", "object 3")
    ]
    assert scores == [1.0, 0.5, 0.75, 0.0]


def test_progress_loses_a_hundredth_for_each_percent() -> None:
    scores = [graded("progress", reply, "40").score for reply in ("41%", "40", "0%", "140", "-20")]
    assert scores == pytest.approx([0.99, 1.0, 0.6, 0.0, 0.4])


TEXTS = [
    ("red", 1.0),
    ("The answer is red.", 1.0),
    ("It is red", 1.0),
    ("Red.", 1.0),
    ("the red", 1.0),
    ("**red**", 1.0),
    ("dark red", 0.0),
    ("blue", 0.0),
    ("", 0.0),
]


@pytest.mark.parametrize(("reply", "score"), TEXTS)
def test_an_exact_answer_is_equality_after_normalisation(reply: str, score: float) -> None:
    sample = Sample("1", "v", "q", None, "red", "open", {"metric": "exact"})
    assert grade(sample, PROMPT_FORMATS["direct"].parse(reply, False)).score == score


def graded(kind: str, reply: str, gold: str):
    return grade(Sample("1", "v", "q", None, gold, kind), PROMPT_FORMATS["direct"].parse(reply, truncated=False))


def test_a_letter_that_ends_a_text_is_no_article() -> None:
    vitamins = ["Vitamin A", "Vitamin B12", "Vitamin C"]
    assert read_letter("Vitamin E", vitamins).value is None and read_letter("vitamin A", vitamins).value == "A"


def test_a_raised_digit_is_a_power_not_a_number_of_its_own() -> None:
    assert read_number("24 m<sup>2</sup>").value == "24" and read_number("24 m²").value == "24"

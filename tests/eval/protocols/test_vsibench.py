"""VSI-Bench's protocols give the verdicts that the harnesses' own code gave on the same replies."""

import pytest

from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.protocols.reading.closing_letter import closing_letter
from strive.stages.eval.protocols.reading.first_number import first_number
from strive.stages.eval.protocols.reading.last_number import last_number
from strive.stages.eval.published import Published

HARNESSES = ("official", "lmms-eval", "vlmevalkit", "video-r1")
CHOICE = Published("1", "vsibench", "obj_appearance_order", "Which first?", ["A. a", "B. b", "C. c", "D. d"], "B")


def number(gold: str) -> Published:
    return Published("2", "vsibench", "object_counting", "How many?", None, gold)


@pytest.mark.parametrize(("reply", "scores"), [
    ("B", (1, 1, 1, 1)),
    ("(B)", (0, 0, 1, 0)),
    ("B.", (1, 1, 1, 0)),
    ("b", (1, 1, 1, 0)),
    ("B. chair", (1, 1, 1, 0)),
    ("B) x", (0, 0, 1, 0)),
    ("B:", (0, 0, 1, 0)),
    (" B", (0, 1, 1, 1)),
    ("B\nBecause", (0, 0, 1, 0)),
    ("**B**", (0, 0, 1, 0)),
    ("\\boxed{B}", (0, 0, 1, 0)),
    ("The answer is B.", (0, 0, 1, 0)),
    ("<think>A or C</think>\n<answer>B</answer>", (1, 1, 1, 1)),
    ("", (0, 0, 0, 0)),
])
def test_a_choice_gets_the_verdict_of_each_harness(reply, scores):
    assert tuple(judge(name, CHOICE, reply).score for name in HARNESSES) == scores


@pytest.mark.parametrize(("gold", "reply", "scores"), [
    ("4", "5", (0.6, 0.6, 0.6, 0.5)),
    ("4", "3", (0.6, 0.6, 0.6, 0.5)),
    ("4", "6", (0.1, 0.1, 0.1, 0)),
    ("4", "four", (0, 1, 1, 0)),
    ("24.6", "24.6 m^2", (1, 1, 0, 0)),
    ("4", "2 at the table + 2 at the desk = 4", (0.1, 0.1, 1, 0)),
    ("4", "about 4", (0, 1, 1, 0)),
    ("1.5", "1.5m", (0, 1, 1, 0)),
    ("4", "4.", (1, 1, 1, 1)),
    ("4", "<answer>4</answer>", (1, 1, 1, 1)),
    ("4", "no idea", (0, 0, 0, 0)),
])
def test_a_number_gets_the_verdict_of_each_harness(gold, reply, scores):
    assert tuple(judge(name, number(gold), reply).score for name in HARNESSES) == pytest.approx(scores, abs=1e-6)


def test_read_raw_the_answer_tag_is_wrong_for_the_authors_and_lmms_eval():
    scores = [judge(name, CHOICE, "<answer>B</answer>", raw=True).score for name in HARNESSES]
    assert scores == [0, 0, 1, 1]


@pytest.mark.parametrize(("off", "published", "video_r1"), [
    ("1.5", 0.1, 0.0), ("1.45", 0.2, 0.1), ("1.4", 0.3, 0.2), ("1.35", 0.3, 0.3), ("1.3", 0.5, 0.5),
    ("1.25", 0.6, 0.5), ("1.2", 0.7, 0.6), ("1.15", 0.8, 0.7), ("1.1", 0.9, 0.8), ("1.05", 1.0, 1.0), ("1.0", 1.0, 1.0),
])
def test_on_a_threshold_float_noise_decides_as_published(off, published, video_r1):
    row = number("1")
    scores = [judge(name, row, off).score for name in HARNESSES]
    assert scores == pytest.approx([published] * 3 + [video_r1], abs=1e-6)


def test_the_published_grid_is_met_on_every_boundary_of_many_golds():
    numpy = pytest.importorskip("numpy")
    grid = numpy.linspace(0.5, 0.95, int((0.95 - 0.5) / 0.05 + 2))
    for gold in [value / 10 for value in range(1, 31)]:
        for theta in grid:
            for sign in (-1, 1):
                given = gold * (1 + sign * round(1 - float(theta), 2))
                expected = (abs(given - gold) / gold <= 1 - grid).mean()
                for name in ("official", "lmms-eval"):
                    assert judge(name, number(repr(gold)), repr(given)).score == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("text", "value"), [
    ("twenty-five", 25), ("three hundred and one", 301), ("1.2e2", 1.2), (".5", 5), ("1,5", 1), ("-3 m", -3),
    ("one chair in corner 2", 1), ("2 chairs, not three", 2), ("two thousand and five", 2005), ("a lot", None),
])
def test_lmms_eval_takes_the_first_number(text, value):
    assert first_number(text) == value


@pytest.mark.parametrize(("text", "value"), [
    ("24.6 m^2", 2), ("about 4-5", -5), ("Twenty", 20), ("twenty-one", -1), ("thirty", None), ("[4, 5]", 4),
    ("[four]", None),
    ("<think>7 or 8</think> five", 5), ("<think>7 or 8</think> none", 8), ("<answer>3 chairs</answer> of 9", 3),
    ("1.2e2", 120),
])
def test_vlmevalkit_takes_the_last_number(text, value):
    assert last_number(text) == value


@pytest.mark.parametrize(("text", "letter"), [
    ("A is wrong.\nC", "C"), ("- option A: left\n- option B: right\nB", "B"), ("A or B", None),
    ("the answer is b", "B"),
    ("It must be c because of it", None), ("a - left", "A"), ("<think>A</think>\nB. chair", "A"), ("答案：D", "D"),
    ("A man walks, so C.", None), ("Dolly", None), ("<answer>H. eight</answer>", "H"),
])
def test_vlmevalkit_reads_the_letter_from_the_end(text, letter):
    assert closing_letter(text) == letter


def test_an_unknown_task_and_a_gold_of_zero_have_no_verdict():
    unknown = Published("3", "vsibench", "object_colour", "?", None, "4")
    assert [judge(name, unknown, "4").score for name in HARNESSES] == [None] * 4
    assert [judge(name, number("0"), "1").score for name in HARNESSES] == [None, None, 0, 0]


def test_a_gold_that_is_no_number_has_no_verdict_where_the_harness_stops():
    assert [judge(name, number("many"), "4").score for name in HARNESSES[:3]] == [None] * 3


def test_prompts_are_the_harnesses_own():
    def prompt(name, row):
        return rule_of(name, "vsibench").prompt(row, None)

    options = "A. a\nB. b\nC. c\nD. d\n"
    letter = "Answer with the option's letter from the given choices directly."
    start = "These are frames of a video.\n"
    assert prompt("official", CHOICE) == f"{start}Which first?\nOptions:\n{options}{letter}"
    assert prompt("lmms-eval", CHOICE) == prompt("official", CHOICE)
    assert prompt("vlmevalkit", CHOICE) == f"{start}Which first?\n{options}{letter}"
    single = "Please answer the question using a single word or phrase."
    assert prompt("official", number("4")) == f"{start}How many?\n{single}"
    assert prompt("vlmevalkit", number("4")).endswith("\nAnswer briefly and directly in one float number.")
    assert prompt("video-r1", CHOICE).startswith(f"Which first?Options:\n{options}\nPlease think about this question")
    assert "numerical value (e.g., 42 or 3.14)" in prompt("video-r1", number("4"))

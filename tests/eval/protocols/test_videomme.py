"""Video-MME under four harnesses: the traps, and the prompts."""

import pytest

from strive.stages.eval.protocols import PROTOCOLS, judge, rule_of
from strive.stages.eval.published import Published
from strive.stages.tasks.sample_rows import RowError

OPTIONS = ["A. Apples.", "B. Candles.", "C. Berries.", "D. Dutch angle, not a dolly zoom."]
HARNESSES = ("official", "lmms-eval", "vlmevalkit", "video-r1")


def question(gold: str) -> Published:
    return Published("001-1", "videomme", "", "Which is shown?", OPTIONS, gold)


@pytest.mark.parametrize(
    ("reply", "gold", "scores"),
    [  # official, lmms-eval, vlmevalkit, video-r1
        ("C", "C", (1, 1, 1, 1)),
        ("C.", "C", (1, 1, 1, 0)),
        ("(C)", "C", (1, 1, 1, 0)),
        ("C. Berries.", "C", (1, 1, 1, 0)),
        ("c", "C", (0, 0, 0, 0)),
        ("**B**", "B", (1, 1, 1, 0)),
        ("\\boxed{B}", "B", (1, 1, 1, 0)),
        ("The answer is C.", "C", (1, 1, 1, 0)),
        ("Based on the video, the answer is D.", "D", (0, 1, 0, 0)),
        ("It is not C; it is B.", "B", (0, 1, 0, 0)),
        ("Cannot be determined from the frames alone.", "C", (1, 1, 1, 0)),
        ("Both A and B", "B", (1, 1, 1, 0)),
        ("<think>Perhaps A, or maybe", "A", (1, 1, 1, 0)),
        ("<think>It is C.</think>\n<answer>C</answer>", "C", (1, 1, 1, 1)),
        ("<think>It is A</think><answer></answer>", "A", (1, 0, 1, 0)),
        ("C<|im_end|>", "C", (1, 1, 1, 0)),
        ("the correct answer is (B) 2, not (C) 3", "C", (0, 1, 0, 0)),
        ("C because A is not shown", "C", (1, 1, 1, 0)),
        ("A camera pans, so C", "A", (1, 1, 1, 0)),
        ("apples", "A", (0, 0, 1, 0)),
        ("", "A", (0, 0, 0, 0)),
        ("Sorry, I can't help with images of people yet.", "B", (0, 0, 0, 0)),
        ("\r\nC\r\n", "C", (1, 1, 1, 1)),
        ("C</s>", "C", (1, 1, 1, 0)),
        ("\uff23", "C", (0, 0, 0, 0)),
        ("选 C", "C", (1, 1, 1, 0)),
        ("(B) or (D)?", "D", (0, 1, 0, 0)),
        ("Answer: the candles", "B", (0, 0, 1, 0)),
        ("the berries and the candles", "C", (0, 0, 0, 0)),
        ("A. Apples\nB. Candles\nC. Berries\n\nC", "C", (0, 0, 0, 0)),
        ("After the Dolly zoom, D", "D", (0, 1, 0, 0)),
        ("Vitamin A is lost. It is D", "A", (1, 0, 1, 0)),
        ("Vitamin A is lost. It is D", "D", (0, 1, 0, 0)),
        ("USA.", "A", (1, 1, 1, 0)),
        ("<think>It must be D.</think>\n\nB", "B", (0, 1, 0, 0)),
        ("the thought, of A, went before</think>C", "C", (0, 1, 0, 0)),
        ("<THINK>D</THINK> C", "C", (0, 1, 0, 0)),
        ("<analysis>A</analysis>C", "C", (0, 1, 0, 0)),
        ("<answer>C", "C", (1, 1, 1, 0)),
        ("<answer></answer><answer>C</answer>", "C", (1, 1, 1, 0)),
        ("<answer> C.\n</answer> A", "C", (1, 1, 1, 0)),
        ("nan", "A", (0, 0, 0, 0)),
        (" \n", "A", (0, 0, 0, 0)),
    ],
)
def test_each_harness_gives_its_own_verdict(reply: str, gold: str, scores: tuple[int, ...]) -> None:
    found = tuple(judge(name, question(gold), reply).score for name in HARNESSES)
    assert found == scores, dict(zip(HARNESSES, found, strict=True))


def test_a_raw_reply_is_read_with_its_tags() -> None:
    text = "<think>Perhaps B</think><answer>C</answer>"
    assert judge("official", question("B"), text).score == 0 and judge("official", question("B"), text, raw=True).score
    assert judge("lmms-eval", question("C"), text, raw=True).score == 1


def test_what_can_not_be_read_leaves_the_official_denominator_only() -> None:
    counted = [judge(name, question("A"), "no idea").counted for name in HARNESSES]
    assert counted == [False, True, True, True]


def prompt(harness: str, subtitles: str | None) -> str:
    rule = rule_of(harness, "videomme")
    assert rule and rule.prompt
    return rule.prompt(question("A"), subtitles)


def test_prompts_are_the_harnesses_own() -> None:
    listed = "Which is shown?\n" + "\n".join(OPTIONS)
    assert prompt("official", None) == (
        "Select the best answer to the following multiple-choice question based on the video. Respond with only the "
        f"letter (A, B, C, or D) of the correct option.\n{listed}\nThe best answer is:")
    assert "based on the video and the subtitles." in prompt("lmms-eval", None)
    assert prompt("lmms-eval", None).endswith("\nAnswer with the option's letter from the given choices directly.")
    assert prompt("vlmevalkit", None).startswith("\nThese are the frames of a video. Select the best answer")
    assert prompt("vlmevalkit", None).endswith(f"\nQuestion: {listed}\nAnswer: ")
    assert prompt("video-r1", None).startswith("Which is shown?Options:\nA. Apples.\n")


def test_captions_stand_where_each_harness_puts_them() -> None:
    assert prompt("official", "hello").startswith("This video's subtitles are listed below:\nhello\nSelect the best")
    assert "and the subtitles" in prompt("official", "hello") and "subtitles" not in prompt("official", "")
    assert prompt("lmms-eval", "").startswith("This video's subtitles are listed below: \nNo subtitles available\n")
    assert prompt("lmms-eval", "hello").endswith("\nThe best answer is:")
    assert "listed below:\nhello\nSelect" in prompt("vlmevalkit", "hello")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("options", [5, "A. one\nB. two"])
def test_options_that_are_no_list_are_refused_by_row(protocol: str, options: object) -> None:
    with pytest.raises(RowError, match="options is"):
        judge(protocol, Published("1", "videomme", "", "Which?", options, "B"), "B")

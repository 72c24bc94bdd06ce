"""The prompt is asked for and taken apart by one object; the gold answer is in no prompt."""

import pytest

from strive.stages.tasks.prompt import HINTS, PROMPT_FORMATS
from strive.stages.tasks.sample import QUESTION_TYPES, Sample

THINK = PROMPT_FORMATS["think_answer"]
LONG_PROMPT = (
    "What falls?\nA. a cup\nB. a plate\nAnswer with the letter of the correct option. "
    "First think inside <think> </think>, then answer inside <answer> </answer>."
)


def test_the_think_answer_prompt_is_this_text() -> None:
    assert (
        THINK.render(Sample("1", "v", "What falls?", ("a cup", "a plate"), "B", "multiple_choice").blind())
        == LONG_PROMPT
    )
    assert (
        PROMPT_FORMATS["direct"].render(Sample("1", "v", "How many?", None, "3", "numerical").blind())
        == "How many?\nAnswer with a number."
    )


def test_every_question_type_has_a_hint() -> None:
    assert set(HINTS) == set(QUESTION_TYPES)


@pytest.mark.parametrize("name", sorted(PROMPT_FORMATS))
def test_the_gold_answer_is_in_no_prompt(name: str) -> None:
    for kind in QUESTION_TYPES:
        sample = Sample(
            "id-zebra", "v.mp4", "What is it?", None, "quagga", kind, {"metric": "okapi", "choices": ["gnu"]}
        )
        text = PROMPT_FORMATS[name].render(sample.blind())
        assert not any(word in text for word in ("quagga", "okapi", "gnu", "zebra"))


SHAPES = [  # reply, cut, answer, status, well formed
    ("<think>a</think><answer>B</answer>", False, "B", "ok", True),
    ("<think>a</think>\n\n<answer> B </answer>\n", False, "B", "ok", True),
    ("<think></think><answer>B</answer>", False, "B", "ok", True),
    ("<think>a</think><answer>B</answer><|im_end|>", False, "B", "ok", True),
    ("<answer>B</answer>", False, "B", "ok", False),
    ("<think>a</think>B", False, "B", "ok", False),
    ("B", False, "B", "ok", False),
    ("<think>a</think><answer></answer>", False, None, "unparsed", False),
    ("<think>a</think><answer>B</answer> so", False, "B", "ok", False),
    ("<think>a</think><answer>B</answer><answer>C</answer>", False, "C", "ok", False),
    ("<think>a<think>b</think><answer>B</answer>", False, "B", "ok", False),
    ("<answer>B</answer><think>a</think>", False, "B", "ok", False),
    ("<think>a <answer>B</answer>", False, "B", "ok", False),
    ("<think>a <answer>B</answer></think>", False, "B", "ok", False),
    ("<think>the answer is A", False, None, "truncated", False),
    ("<think>the answer is A", True, None, "truncated", False),
    ("the answer is A", True, None, "truncated", False),
    ("<think>a</think><answer>B", True, "B", "ok", False),
    ("a</think>B", False, "B", "ok", False),
    ("<think>a</think>", False, None, "unparsed", False),
    ("<think>a</think>", True, None, "truncated", False),
    ("", False, None, "empty", False),
    (" \n", False, None, "empty", False),
    ("<answer></answer>", False, None, "empty", False),
    ("<THINK>a</THINK><ANSWER>B</ANSWER>", False, "B", "ok", False),
    ("<answer><think>x</think>B</answer>", False, "B", "ok", False),
    ("<answer>B</answer> then <answer>", False, "B", "ok", False),
    ("<thinking>A</thinking>C", False, "C", "ok", False),
]


@pytest.mark.parametrize(("reply", "cut", "answer", "status", "well_formed"), SHAPES)
def test_a_reply_is_taken_apart(reply: str, cut: bool, answer: str | None, status: str, well_formed: bool) -> None:
    found = THINK.parse(reply, truncated=cut)
    assert (found.answer, found.status, found.well_formed) == (answer, status, well_formed)


def test_a_direct_reply_that_was_cut_keeps_what_it_says() -> None:
    found = PROMPT_FORMATS["direct"].parse("B because the", truncated=True)
    assert (found.answer, found.status, found.well_formed) == ("B because the", "ok", False)

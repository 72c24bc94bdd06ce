"""The prompt is asked for and taken apart by one object; the gold answer is in no prompt."""

from collections.abc import Callable

import pytest

from strive.configs.errors import UsageError
from strive.stages.tasks.plugins import plugin_identity
from strive.stages.tasks.prompt import HINTS, PROMPT_FORMATS, format_named
from strive.stages.tasks.sample import QUESTION_TYPES, Sample

pytest_plugins = ["own_code"]
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


BOXED = """
    import re
    from strive.stages.tasks.prompt import Reply, stem

    class Boxed:
        def render(self, question):
            return stem(question) + " Put the answer into \\\\boxed{}."

        def parse(self, text, truncated):
            found = re.findall(r"boxed{([^{}]+)}", text)
            return Reply(text, found[-1] if found else None, len(found) == 1, "ok" if found else "unparsed", truncated)

    BOXED = Boxed()
"""
QUESTION = Sample("1", "v", "What falls?", ("a cup", "a plate"), "B", "multiple_choice").blind()


def test_formats_are_found_by_name() -> None:
    assert format_named("direct") is PROMPT_FORMATS["direct"]
    with pytest.raises(UsageError, match="Did you mean think_answer") as caught:
        format_named("think_answr", "eval.prompt_format")
    assert "eval.prompt_format" in caught.value.what


def test_a_format_of_the_users_own_renders_and_parses(write: Callable[[str], str]) -> None:
    name = f"{write(BOXED)}:BOXED"
    form = format_named(name)
    assert form.name == name
    assert form.render(QUESTION) == "What falls?\nA. a cup\nB. a plate Put the answer into \\boxed{}."
    reply = form.parse("so \\boxed{B}", truncated=True)
    assert (reply.answer, reply.status, reply.well_formed, reply.cut) == ("B", "ok", True, True)
    assert list(plugin_identity([name, "direct"], "train.prompt_format")) == [name]


@pytest.mark.parametrize(("text", "message"), [
    (BOXED.replace("BOXED = Boxed()", "BOXED = Boxed"), "is a class"),
    ("BOXED = 3", "has no method render"),
    (BOXED.replace("def parse", "def read"), "has no method parse"),
    (BOXED.replace("text, truncated):", "text):"), "too many positional arguments"),
    ("", "no 'BOXED' in"),
])
def test_an_object_that_is_no_format_is_refused(text: str, message: str, write: Callable[[str], str]) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        format_named(f"{write(text)}:BOXED")
    assert caught.value.expected and caught.value.do


@pytest.mark.parametrize(("old", "new", "message"), [
    ("return stem(question)", "return 3 or", r"render returned 3 \(int\)"),
    ("return stem(question) + ", "return '' and ", "render returned ''"),
    ("return stem(question)", "return question.answer", "render raised AttributeError"),
    ("return Reply(", "return (", r"parse returned .* \(tuple\)"),
    ("found[-1] if found else None", "None", "an answer when the status is ok"),
    ("found[-1] if found else None", "7", "an answer when the status is ok"),
    ("found[-1] if found else None", "found[9]", "parse raised IndexError"),
])
def test_a_format_that_raises_or_returns_something_else_stops_in_words(
    old: str, new: str, message: str, write: Callable[[str], str]
) -> None:
    assert old in BOXED
    form = format_named(f"{write(BOXED.replace(old, new))}:BOXED")
    with pytest.raises(UsageError, match=message):
        form.render(QUESTION)
        form.parse("\\boxed{B}", False)

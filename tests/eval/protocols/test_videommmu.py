"""Video-MMMU under four harnesses: many options, open answers, what is left out, the prompts of the tracks."""

from time import process_time

import pytest

from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.published import Published

MANY = ["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13"]
SUGARS = ["an aldose", "a ketose"]
HARNESSES = ("official", "lmms-eval", "vlmevalkit", "video-r1")


def choice(gold: str, options: list[str], track: str = "Perception") -> Published:
    return Published("1", "videommmu", "multiple-choice", "Which?", options, gold, {"track": track})


def open_one(gold: str, kind: str = "open") -> Published:
    return Published("1", "videommmu", kind, "<image 1> How much?", [], gold, {"track": "Adaptation"})


def verdicts(row: Published, reply: str) -> tuple[float | None, ...]:
    return tuple(judge(name, row, reply).score for name in HARNESSES)


@pytest.mark.parametrize(
    ("reply", "gold", "scores"),
    [
        ("N", "N", (1, 1, 1, 1)),
        ("**B**", "B", (0, 1, 0, 0)),
        ("$\\boxed{F}$", "F", (0, 1, 0, 0)),
        ("I think the answer is F", "F", (1, 0, 1, 0)),
        ("I think the answer is F.", "I", (0, 1, 0, 0)),
        ("It is A. But then again B. So C.", "C", (0, 1, 0, 0)),
        ("Answer: B", "B", (1, 1, 1, 0)),
        ("A: first. Answer: B", "B", (0, 0, 1, 0)),
        ("the value that is written there is v7", "H", (1, 0, 1, 0)),
        ("", "A", (0, 0, 0, 0)),
        ("B. v1 or C: v2", "B", (1, 1, 1, 0)),
        ("B: v1, then A: v0", "B", (0, 1, 0, 0)),
        ("(B) v1. (C) v2", "C", (1, 1, 1, 0)),
        ("B C D", "D", (1, 0, 1, 0)),
        ("B and then D", "D", (1, 0, 1, 0)),
        ("Answer: C\nAnswer: D", "D", (1, 1, 1, 0)),
        ("G\r\n", "G", (0, 1, 1, 1)),
        ("it is v1 or v10 or else v3 there", "D", (1, 0, 1, 0)),
        ("KLM", "L", (0, 0, 0, 0)),
        ("Option J) is right", "J", (0, 1, 0, 0)),
        ("<think>A.</think> H", "H", (0, 1, 0, 0)),
        ("API Error", "I", (0, 1, 0, 0)),
    ],
)
def test_letters_out_of_fourteen_options(reply: str, gold: str, scores: tuple[int, ...]) -> None:
    found = verdicts(choice(gold, MANY), reply)
    assert found == scores, dict(zip(HARNESSES, found, strict=True))


def test_an_article_beats_a_letter_in_lmms_eval() -> None:
    assert judge("lmms-eval", choice("B", SUGARS), "A ketose has a ketone group. Hence B.").parsed == "A"


@pytest.mark.parametrize(
    ("reply", "gold", "right"),
    [("The answer is 12.97.", "12.97", True), ("either 12.97 or 13.5", "12.97", True), ("about 13", "12.97", False),
     ("so it is 7,243,000 dollars", "7243000", True), ("= 1.297e1", "12.97", True),
     ("The point at B", "A", True), ("it has a name", "Name", True), ("3.4291", "3.429", True),
     ("12,97", "12.97", False), ("It equals -3.", "-3", True), ("It equals 3", "-3", False), ("x = 3 = 4", "4", True),
     ("x = 4\nDone", "4", True), ("the value is n/a.", "N/A", True), ("twelve", "12", False),
     ("$12.97$", "12.97", True), ("24/7", "['24/7', '3.429', '3.43]", False)],
)
def test_open_answers_match_by_any_number_or_tail(reply: str, gold: str, right: bool) -> None:
    for name in ("official", "lmms-eval", "vlmevalkit"):
        assert judge(name, open_one(gold), reply).score == right, name


def test_empty_replies_are_dropped_as_each_harness_drops_them() -> None:
    kept = {name: (judge(name, choice("A", SUGARS), "").counted, judge(name, open_one("4"), "").counted)
            for name in HARNESSES}
    assert kept == {"official": (False, False), "lmms-eval": (True, False), "vlmevalkit": (False, False),
                    "video-r1": (True, True)}


@pytest.mark.parametrize(("reply", "counted"), [
    ("The Answer:", (True, True, False)), ("API Error", (False, True, False)), (" ", (True, True, False)),
    ("<think>B</think>", (True, True, True)),
])
def test_what_looks_like_a_failed_request_is_dropped_too(reply: str, counted: tuple[bool, ...]) -> None:
    row = choice("A", SUGARS)
    assert tuple(judge(name, row, reply).counted for name in HARNESSES[:3]) == counted
    assert judge("lmms-eval", open_one("4"), "<think>4</think>").counted is False


def test_a_reply_of_digits_only_is_read_at_once() -> None:
    started = process_time()
    assert judge("official", open_one("4"), "3" * 20_000).score == 0
    assert process_time() - started < 2


def test_a_row_without_a_type_is_a_choice_where_it_has_options() -> None:
    row = Published("1", "videommmu", "", "Which?", SUGARS, "B")
    assert verdicts(row, "B") == (1, 1, 1, 1)


def test_the_tracks_are_asked_in_their_own_words() -> None:
    def prompt(name: str, row: Published) -> str:
        rule = rule_of(name, "videommmu")
        assert rule and rule.prompt
        return rule.prompt(row, None)

    ignore = "\nPlease ignore the Quiz question in last frame of the video."
    assert prompt("official", choice("A", SUGARS)) == "Which?\nA. an aldose\nB. a ketose" + ignore
    assert prompt("lmms-eval", choice("A", SUGARS, "Adaptation")).startswith(
        "You should watch and learn the video content. Then apply what you learned to answer the following "
        "multi-choice question. The image for this question is at the end of the video.\nWhich?\nA. an aldose")
    assert "open-ended question" in prompt("official", open_one("4"))
    assert prompt("vlmevalkit", open_one("4")).endswith(
        "\nAdd `Answer: {Your final answer}` at the end of your reply.")
    assert prompt("official", choice("A", SUGARS, "Adaptation (question only)")) == "Which?\nA. an aldose\nB. a ketose"
    assert "<image" not in prompt("video-r1", open_one("4"))


def test_video_r1_asks_open_questions_with_letters_as_choices_and_mends_the_broken_gold() -> None:
    broken = open_one("['24/7', '3.429', '3.43]")
    assert [judge("video-r1", open_one("C"), reply).score for reply in ("C", "c", "A")] == [1, 0, 0]
    assert [judge("video-r1", broken, reply).score for reply in ("3.429", "3.43", "3")] == [1, 1, 0]
    assert judge("official", broken, "3.429").score == 0


@pytest.mark.parametrize("kind", ["", "perception", "multiple_choice", "mc"])
def test_a_type_that_is_not_published_leaves_it_to_the_options(kind: str) -> None:
    row = Published("1", "videommmu", kind, "Which?", SUGARS, "B")
    assert verdicts(row, "B") == (1, 1, 1, 1) and verdicts(row, "I") == (0, 0, 0, 0)

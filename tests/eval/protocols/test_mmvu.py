"""MMVU under lmms-eval's generous rules and Video-R1's exact one; the others need a judge."""

import pytest

from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.published import Published

OPTIONS = {"A": "Heap sort", "B": "Dutch angle", "C": "Dolly zoom", "D": "Bubble sort", "E": "Radix sort"}


def choice(gold: str) -> Published:
    return Published("1", "mmvu", "multiple-choice", "Which?", OPTIONS, gold)


def open_one(gold: str) -> Published:
    return Published("1", "mmvu", "open-ended", "Which?", dict.fromkeys("ABCDE", ""), gold)


@pytest.mark.parametrize(
    ("reply", "gold", "lmms", "video_r1"),
    [
        ("C", "C", 1, 1),
        ("c", "C", 1, 0),
        ("A is wrong, C would need more. The answer is B.", "A", 1, 0),
        ("A is wrong, C would need more. The answer is B.", "C", 1, 0),
        ("D. Bubble sort", "E", 1, 0),
        ("B. Dutch angle, not a dolly zoom", "C", 1, 0),
        ("It is a kind of sort", "A", 1, 0),
        ("<think>E</think><answer>B</answer>", "E", 0, 0),
        ("<think>surely E", "E", 1, 0),
        ("", "A", 0, 0),
        ("(E)", "E", 1, 0),
        ("It's an e-book", "E", 1, 0),
        ("\u00c9clair", "E", 0, 0),
        ("the_C_one", "C", 0, 0),
        ("A man zooms", "A", 1, 0),
        ("A man zooms", "C", 0, 0),
        ("DUTCH ANGLE", "B", 1, 0),
        ("radix", "E", 0, 0),
        ("The answer is D.\r\n", "D", 1, 0),
        ("\nD\n", "D", 1, 1),
        ("B</s>", "B", 1, 0),
    ],
)
def test_choices(reply: str, gold: str, lmms: int, video_r1: int) -> None:
    assert (judge("lmms-eval", choice(gold), reply).score, judge("video-r1", choice(gold), reply).score) == (
        lmms, video_r1)


@pytest.mark.parametrize(
    ("reply", "gold", "right"),
    [("Dolly Zoom", "dolly zoom", 1), ("the dolly zoom technique", "Dolly Zoom", 1), ("", "Dolly Zoom", 1),
     ("e", "dijkstra's algorithm in e", 1), ("12.005", "12.0 m", 1), ("13", "12", 0), ("O(n²)", "O(N^2) time", 1),
     ("the zoom was a dolly", "Dolly Zoom", 1), ("a pan", "Dolly Zoom", 0), ("DFS", "Depth-First Search (DFS)", 1),
     ("-3.5", "3.5 m", 1), ("in 2024, 3.5 m", "3.5 m", 1), ("in 2024, 3.4 m", "3.5 m", 0), ("10.02", "10 cm", 1),
     ("10.009", "10.0 cm", 1), ("10.02", "10.0 cm", 0), ("An angle (Dutch).", "Dutch Angle", 1),
     ("<think>no</think>", "x", 1)],
)
def test_open_questions_are_matched_generously(reply: str, gold: str, right: int) -> None:
    assert judge("lmms-eval", open_one(gold), reply).score == right
    assert judge("video-r1", open_one(gold), reply).score is None


def test_a_harness_that_needs_a_judge_has_no_rule() -> None:
    assert rule_of("official", "mmvu") is None and judge("vlmevalkit", choice("A"), "A").score is None


@pytest.mark.parametrize("kind", ["", "multiple_choice", "mc"])
def test_a_type_that_is_not_published_leaves_it_to_the_options(kind: str) -> None:
    row = Published("1", "mmvu", kind, "Which?", OPTIONS, "B")
    assert judge("video-r1", row, "B").score == 1 and judge("lmms-eval", row, "c").score == 0
    assert judge("video-r1", Published("1", "mmvu", "open-ended", "Which?", OPTIONS, "B"), "B").score is None

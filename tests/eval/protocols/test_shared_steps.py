"""What holds for every comparison protocol, whatever the reply: tags, thoughts, and the range of a verdict."""

import random
import time

import pytest

from strive.stages.eval.protocols import COMPARISONS, judge
from strive.stages.eval.published import Published

ROWS = [
    Published("1", "videomme", "", "Which?", ["A. Apples.", "B. Candles.", "C. Berries.", "D. Dates."], "C"),
    Published("2", "videommmu", "multiple-choice", "Which?", [f"v{i}" for i in range(14)], "J"),
    Published("3", "videommmu", "open", "How much?", [], "12.97"),
    Published("4", "mmvu", "multiple-choice", "Which?",
              {"A": "heap", "B": "pan", "C": "zoom", "D": "tilt", "E": "sort"}, "E"),
    Published("5", "mmvu", "open-ended", "Which?", dict.fromkeys("ABCDE", ""), "Dolly Zoom"),
    Published("6", "mvbench", "action_antonym", "What?", ["up", "down", "up"], "up"),
]
PIECES = [*"ABCDEFGHIJKLMNaceZ", "(C)", "J.", "E:", "C)", "**C**", "The answer is", "Answer:", "so", "is", "=", "12.97",
          "1,297", "berries", "v9", "zoom", "dolly", "up", "Based", "API Error", "选", "\n", "\r\n", "</s>",
          "İ", "\u00a0", "²"]


def replies(seed: int, count: int = 60) -> list[str]:
    """Texts without tags, which hold more than whitespace."""
    rng = random.Random(seed)
    texts = (rng.choice([" ", "", "\n"]).join(rng.choices(PIECES, k=rng.randint(1, 9))) for _ in range(count))
    return [text for text in texts if text.strip()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.bench}-{row.question_type}")
@pytest.mark.parametrize("protocol", COMPARISONS)
def test_the_first_answers_content_is_judged_as_if_it_were_the_reply(protocol: str, row: Published) -> None:
    for text in replies(1):
        tagged = f"<think>A or {text}</think> <answer>\n{text} </answer> or rather <answer>B</answer>"
        assert judge(protocol, row, tagged) == judge(protocol, row, text.strip()), text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.bench}-{row.question_type}")
def test_lmms_eval_reads_what_closed_thoughts_leave(row: Published) -> None:
    for text in replies(2):
        bare = judge("lmms-eval", row, text)
        assert judge("lmms-eval", row, f"<think>C. J 12.97</think>{text}<analysis>E</analysis>") == bare, text
        assert judge("lmms-eval", row, f"C. J 12.97</think>\n{text}", raw=True) == bare, text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.bench}-{row.question_type}")
@pytest.mark.parametrize("protocol", COMPARISONS)
def test_a_verdict_is_right_or_wrong_and_a_right_one_counts(protocol: str, row: Published) -> None:
    found = [judge(protocol, row, text, raw=True) for text in replies(3)]
    nothing = [judge(protocol, row, text, raw=True) for text in ("", " \n")]
    ruled = found[0].status != "unscorable"
    assert {one.score for one in (*found, *nothing)} <= ({0.0, 1.0} if ruled else {None})
    assert {one.status for one in nothing} == ({"empty"} if ruled else {"unscorable"})
    assert all(one.counted for one in found if one.score)


def test_a_reply_of_nothing_but_opening_tags_takes_no_time_that_matters() -> None:
    row = Published("1", "videomme", "", "Which?", ["A. x", "B. y", "C. z", "D. w"], "B")
    started = time.process_time()
    for protocol in ("strict", "official", "lmms-eval", "vlmevalkit", "video-r1"):
        judge(protocol, row, "<answer>" * 20_000)
        judge(protocol, row, "<think>" * 20_000)
    assert time.process_time() - started < 10

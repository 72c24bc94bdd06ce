"""PerceptionTest as lmms-eval and Video-R1 ask it and read the replies; its authors publish no rule for text."""

import re

from strive.stages.eval.protocols.reading.lmms_text import scored_text
from strive.stages.eval.protocols.reading.video_r1 import LETTERS, video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import UNSCORABLE, Verdict
from strive.stages.eval.published import Published

LETTER = re.compile(r"\b([A-D])\b")
RULE = "first capital letter A–D standing alone"


def gold_letter(row: Published) -> str | None:
    """The letter of `answer_id`; None for the test split, whose answers are not published."""
    try:
        index = int(row.answer)
    except (TypeError, ValueError):
        return None
    return LETTERS[index] if 0 <= index < len(LETTERS) else None


def lmms_prompt(row: Published, subtitles: str | None) -> str:
    """The options with letters, a third and any further one as C."""
    options = (f"\n{'ABC'[min(place, 2)]}. {text}" for place, text in enumerate(row.options or ()))
    return row.question + "".join(options) + "\nAnswer with the option's letter from the given choices directly."


def by_first_letter(row: Published, text: str) -> Verdict:
    """The first letter A–D that is a word of its own, an article at the start of a sentence included."""
    gold, seen = gold_letter(row), scored_text(text)
    if gold is None:
        return UNSCORABLE
    found = LETTER.search(seen)
    if not found:
        return Verdict(0.0, "unparsed" if seen else "empty", None, RULE)
    return Verdict(float(found[1] == gold), "ok", found[1], RULE)


def ask_video_r1(row: Published, subtitles: str | None) -> str:
    """Video-R1's text."""
    return video_r1_prompt("multiple choice", row.question, row.options)


def by_video_r1(row: Published, text: str) -> Verdict:
    """Video-R1's reward."""
    gold = gold_letter(row)
    return UNSCORABLE if gold is None else video_r1_verdict("multiple choice", gold, text)


RULES: dict[str, Rule] = {
    "lmms-eval": Rule(lmms_prompt, by_first_letter),
    "video-r1": Rule(ask_video_r1, by_video_r1),
}

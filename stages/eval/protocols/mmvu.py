"""MMVU as lmms-eval and Video-R1 ask it and read the replies; its authors and VLMEvalKit need a judge for every row."""

from strive.stages.eval.protocols.reading.lmms_text import scored_text
from strive.stages.eval.protocols.reading.mmvu_match import matches_choice, matches_free
from strive.stages.eval.protocols.reading.video_r1 import video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import UNSCORABLE, Status, Verdict
from strive.stages.eval.published import Published

SEEN = "Visual Information: processed video"
CHOICE = ("Do not generate any intermediate reasoning process. Answer directly with the option letter from the\n"
          "given choices.")
OPEN = "Do not generate any intermediate reasoning process. Directly output the final answer."
MULTIPLE, FREE = "multiple-choice", "open-ended"


def options_of(row: Published) -> dict[str, str]:
    """Letter → text."""
    if isinstance(row.options, dict):
        return {str(letter): str(text) for letter, text in row.options.items()}
    return {chr(ord("A") + i): str(text) for i, text in enumerate(row.options or [])}


def is_choice(row: Published) -> bool:
    """Multiple choice by its type, or by its options where the type is none of the published ones."""
    return row.question_type == MULTIPLE or (row.question_type != FREE and any(options_of(row).values()))


def lmms_prompt(row: Published, subtitles: str | None) -> str:
    """The prompt without reasoning."""
    if not is_choice(row):
        return f"\nQuestion:{row.question}\n{SEEN}\n{OPEN}\n"
    listed = "\n".join(f"{letter}: {text}" for letter, text in options_of(row).items())
    return f"\nQuestion:{row.question}\n{listed}\n{SEEN}\n{CHOICE}\n"


def lmms(row: Published, text: str) -> Verdict:
    """Right by any of its rules; what was read instead is not told."""
    scored, gold = scored_text(text), str(row.answer)
    rule = matches_choice(scored, gold, options_of(row)) if is_choice(row) else matches_free(scored, gold)
    status: Status = "empty" if not scored else "ok" if rule else "unparsed"
    parsed = gold if rule and scored else None
    return Verdict(float(rule is not None), status, parsed, rule or "by none of its rules")


def video_r1_question(row: Published, subtitles: str | None) -> str:
    """Its set holds the multiple-choice questions only; open ones are asked for a text."""
    return video_r1_prompt("multiple choice" if is_choice(row) else "free-form", row.question, options_of(row))


def video_r1(row: Published, text: str) -> Verdict:
    """The whole answer must be the letter; there is no rule for open questions."""
    return video_r1_verdict("multiple choice", row.answer, text) if is_choice(row) else UNSCORABLE


RULES: dict[str, Rule] = {"lmms-eval": Rule(lmms_prompt, lmms), "video-r1": Rule(video_r1_question, video_r1)}

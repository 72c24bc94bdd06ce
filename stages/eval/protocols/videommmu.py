"""Video-MMMU as its authors, lmms-eval, VLMEvalKit and Video-R1 ask it and read the replies."""

import re

from strive.stages.eval.benchmarks.videommmu_golds import open_gold
from strive.stages.eval.protocols.reading.lmms_letter import lmms_letter
from strive.stages.eval.protocols.reading.lmms_text import scored_text
from strive.stages.eval.protocols.reading.mmmu_choice import mmmu_choice
from strive.stages.eval.protocols.reading.open_response import matches_open
from strive.stages.eval.protocols.reading.video_r1 import Kind, video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import Status, Verdict
from strive.stages.eval.published import Published

IGNORE = "\nPlease ignore the Quiz question in last frame of the video."
WATCH = "You should watch and learn the video content. Then apply what you learned to "
CHOICE = "answer the following multi-choice question. The image for this question is at the end of the video.\n"
OPEN = "answer the following open-ended question. The image for this question is at the end of the video.\n"
KIT_ENDING = "\nAdd `Answer: {Your final answer}` at the end of your reply."
SINGLE_LETTERS = frozenset("ABCDEFGHIJKLMN")
IMAGE = re.compile(r"<image \d+>\s*")


def is_choice(row: Published) -> bool:
    """Multiple choice by its type, or by its options where the type is none of the published ones."""
    return row.question_type in ("multiple-choice", "perception") or (row.question_type != "open" and bool(row.options))


def listed(row: Published) -> list[str]:
    """The options with their letters, where they have none yet."""
    options = [str(one) for one in row.options or []]
    letters = [f"{chr(ord('A') + i)}." for i in range(len(options))]
    if all(one.startswith(letter) for one, letter in zip(options, letters, strict=True)):
        return options
    return [f"{letter} {one}" for one, letter in zip(options, letters, strict=True)]


def prompt(row: Published, subtitles: str | None) -> str:
    """As its authors and lmms-eval ask: the tracks differ in what is said of the last frame."""
    question = row.question + "\n" + "\n".join(listed(row))
    track = str(row.meta.get("track") or "")
    if track == "Adaptation (question only)":
        return question
    if not track.startswith("Adaptation"):
        return question + IGNORE
    return WATCH + (CHOICE + question if is_choice(row) else OPEN + row.question)


def kit_prompt(row: Published, subtitles: str | None) -> str:
    """The same, and how the answer is to be given."""
    return prompt(row, subtitles) + KIT_ENDING


def lost(rule: str = "an empty reply is left out") -> Verdict:
    """What counts as a failed request: the row is dropped."""
    return Verdict(0.0, "empty", None, rule, counted=False)


def open_verdict(row: Published, text: str) -> Verdict:
    """Any number or text tail that matches."""
    right = matches_open(text, row.answer)
    status: Status = "ok" if text.strip() else "empty"
    return Verdict(float(right), status, text.strip()[:200] or None, "any number or tail of the reply")


def choice_verdict(row: Published, text: str, found: tuple[str, str] | None) -> Verdict:
    """The letter and where it stood, or neither."""
    letter, rule = found or (None, "no letter, no option's text")
    status: Status = "ok" if letter else "unparsed" if text.strip() else "empty"
    return Verdict(float(letter == row.answer), status, letter, rule)


def official(row: Published, text: str) -> Verdict:
    """MMMU's rules."""
    if text in ("", "API Error"):
        return lost()
    if not is_choice(row):
        return open_verdict(row, text)
    return choice_verdict(row, text, mmmu_choice(text, [str(one) for one in row.options or []]))


def lmms(row: Published, text: str) -> Verdict:
    """The letter in the most telling place, or MMMU's rule for open answers; an empty choice stays in."""
    scored = scored_text(text)
    if not is_choice(row):
        return lost() if scored in ("", "API Error") else open_verdict(row, scored)
    letters = [chr(ord("A") + i) for i in range(len(row.options or []))]
    return choice_verdict(row, scored, lmms_letter(scored, letters))


def kit(row: Published, text: str) -> Verdict:
    """MMMU's rules on what follows the last "Answer:"."""
    return official(row, text.rpartition("Answer:")[2].strip())


def kind_of(row: Published) -> Kind:
    """Its own set has choices and numbers; the two open questions with a letter for a gold are choices there."""
    return "multiple choice" if is_choice(row) or str(row.answer).strip() in SINGLE_LETTERS else "numerical"


def video_r1_question(row: Published, subtitles: str | None) -> str:
    """Image markers are taken out."""
    return video_r1_prompt(kind_of(row), IMAGE.sub("", row.question).strip(), row.options)


def video_r1(row: Published, text: str) -> Verdict:
    """Equality of letters, or of numbers to two decimals; the one broken gold is the number in it, as in its set."""
    gold = str(row.answer)
    return video_r1_verdict(kind_of(row), open_gold(gold)[1] if gold.startswith("[") else gold, text)


RULES: dict[str, Rule] = {
    "official": Rule(prompt, official),
    "lmms-eval": Rule(prompt, lmms),
    "vlmevalkit": Rule(kit_prompt, kit),
    "video-r1": Rule(video_r1_question, video_r1),
}

"""MVBench as its authors, lmms-eval, VLMEvalKit and Video-R1 ask it and read the replies."""

from strive.stages.eval.protocols.reading.bare_letter import bare_letter
from strive.stages.eval.protocols.reading.can_infer import NONE, can_infer
from strive.stages.eval.protocols.reading.lmms_text import scored_text
from strive.stages.eval.protocols.reading.video_r1 import LETTERS, video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import UNSCORABLE, Status, Verdict
from strive.stages.eval.published import Published

REQUEST = "Only give the best option."


def candidates(row: Published) -> list[str]:
    """The options as published, texts without letters."""
    return [str(option) for option in row.options or ()]


def gold_letter(row: Published, last: bool = False) -> str | None:
    """The letter of the candidate that the answer repeats (`last`: the last of equal ones), or the answer where it is a
    letter already."""
    places = [place for place, text in enumerate(candidates(row)) if text == row.answer]
    if not places:
        return row.answer if row.answer in tuple(LETTERS[: len(candidates(row))]) else None
    return LETTERS[places[-1 if last else 0]]


def bracketed(row: Published) -> str:
    """The options as lines "(A) text"."""
    return "".join(f"({letter}) {text}\n" for letter, text in zip(LETTERS, candidates(row), strict=False))


def official_prompt(row: Published, subtitles: str | None) -> str:
    """The authors' user text; their system prompt and their start of the answer ("Best option:(") are not in it."""
    return f"Question: {row.question}\nOptions:\n{bracketed(row)}".rstrip() + f"\n{REQUEST}"


def lmms_prompt(row: Published, subtitles: str | None) -> str:
    """lmms-eval's text, which ends with a line break."""
    return f"Question:{row.question}\nOption:\n{bracketed(row)}{REQUEST}\n"


def names_option(text: str, letter: str) -> bool:
    """The text's first word, its full stops dropped, is part of "(a)", or holds it: an empty text is right."""
    word, label = text.lower().split(" ")[0], f"({letter.lower()})"
    return word.replace(".", "") in label or label in word


def by_first_word(row: Published, text: str) -> Verdict:
    """The authors' `check_ans`."""
    letter = gold_letter(row, last=True)
    if letter is None:
        return UNSCORABLE
    status: Status = "ok" if text.strip() else "empty"
    return Verdict(float(names_option(text, letter)), status, text.split(" ")[0] or None, "first word within “(A)”")


def by_inference(row: Published, text: str) -> Verdict:
    """VLMEvalKit without a judge: the authors' comparison, else a lone letter or the one option whose text occurs."""
    gold = gold_letter(row, last=True)
    if gold is None:
        return UNSCORABLE
    status: Status = "ok" if text.strip() else "empty"
    if names_option(text.strip(), gold):
        return Verdict(1.0, status, gold if text.strip() else None, "first word within “(A)”, as an empty one is")
    letter = can_infer(text, dict(zip(LETTERS, candidates(row), strict=False)))
    letter = None if letter == NONE else letter
    right = letter == relettered(row)
    return Verdict(float(right), "ok" if letter else "unparsed", letter, "a lone letter, or an option's text")


def relettered(row: Published) -> str:
    """The answer as VLMEvalKit compares an inferred letter with it: replaced by the letter of each candidate that it
    equals, one after another, so that the first of equal ones counts."""
    answer = str(row.answer)
    for letter, text in zip(LETTERS, candidates(row), strict=False):
        answer = letter if text == answer else answer
    return answer


def by_bare_letter(row: Published, text: str) -> Verdict:
    """lmms-eval's comparison; an empty reply leaves its denominator."""
    gold, seen = gold_letter(row), scored_text(text)
    if gold is None:
        return UNSCORABLE
    if not seen:
        return Verdict(0.0, "empty", None, "empty replies are not counted", counted=False)
    letter = bare_letter(seen)
    return Verdict(float(letter == gold), "ok" if letter else "unparsed", letter, "first letter A–E standing alone")


def ask_video_r1(row: Published, subtitles: str | None) -> str:
    """Video-R1's text."""
    return video_r1_prompt("multiple choice", row.question, candidates(row))


def by_video_r1(row: Published, text: str) -> Verdict:
    """Video-R1's reward."""
    gold = gold_letter(row)
    return UNSCORABLE if gold is None else video_r1_verdict("multiple choice", gold, text)


RULES: dict[str, Rule] = {
    "official": Rule(official_prompt, by_first_word),
    "lmms-eval": Rule(lmms_prompt, by_bare_letter),
    "vlmevalkit": Rule(official_prompt, by_inference),
    "video-r1": Rule(ask_video_r1, by_video_r1),
}

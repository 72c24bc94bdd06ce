"""Video-MME as its authors, lmms-eval, VLMEvalKit and Video-R1 ask it and read the replies."""

from strive.stages.eval.protocols.reading.can_infer import NONE, can_infer
from strive.stages.eval.protocols.reading.first_letter import first_letter
from strive.stages.eval.protocols.reading.lmms_letter import lmms_letter
from strive.stages.eval.protocols.reading.lmms_text import scored_text
from strive.stages.eval.protocols.reading.video_r1 import lettered, video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import Status, Verdict
from strive.stages.eval.published import Published

LETTERS = "ABCD"
SELECT = "Select the best answer to the following multiple-choice question based on the video{}."
RESPOND = "Respond with only the letter (A, B, C, or D) of the correct option."
LISTED = "This video's subtitles are listed below:"
ENDING = "The best answer is:"
DIRECTLY = "\nAnswer with the option's letter from the given choices directly."


def question_of(row: Published) -> str:
    """The question and its options, a line each."""
    return "\n".join([row.question, *lettered(row.options)])


def official_prompt(row: Published, subtitles: str | None) -> str:
    """Videos without subtitles are asked as if none had been."""
    told = f"{LISTED}\n{subtitles}\n" if subtitles else ""
    select = SELECT.format(" and the subtitles" if told else "")
    return f"{told}{select} {RESPOND}\n{question_of(row)}\n{ENDING}"


def lmms_prompt(row: Published, subtitles: str | None) -> str:
    """The head speaks of subtitles whether or not there are any."""
    head = f"{SELECT.format(' and the subtitles')} {RESPOND}\n{question_of(row)}\n"
    if subtitles is None:
        return head + DIRECTLY
    return f"{LISTED} \n{subtitles or 'No subtitles available'}\n{head}{ENDING}"


def kit_prompt(row: Published, subtitles: str | None) -> str:
    """Frames are announced; the question stands between "Question:" and "Answer:"."""
    told = f"{LISTED}\n{subtitles}\n" if subtitles is not None else ""
    head = f"\nThese are the frames of a video. {told}{SELECT.format('')} {RESPOND}\n"
    return f"{head}Question: {question_of(row)}\nAnswer: "


def status_of(text: str, letter: str | None) -> Status:
    """How a reply was read."""
    return "ok" if letter else "unparsed" if text.strip() else "empty"


def official(row: Published, text: str) -> Verdict:
    """The first letter anywhere; a reply without one is left out of the denominator."""
    letter = first_letter(text)
    return Verdict(float(letter == row.answer), status_of(text, letter), letter, "first of A-D anywhere",
                   counted=letter is not None)


def lmms(row: Published, text: str) -> Verdict:
    """The letter in the most telling place, A to D."""
    scored = scored_text(text)
    found = lmms_letter(scored, LETTERS)
    letter, rule = found or (None, "no letter")
    return Verdict(float(letter == row.answer), status_of(scored, letter), letter, rule)


def kit(row: Published, text: str) -> Verdict:
    """The first letter anywhere, else the option whose text occurs; an empty reply is read as "nan"."""
    letter = first_letter(text)
    if letter:
        return Verdict(float(letter == row.answer), "ok", letter, "first of A-D anywhere")
    options = {one[0]: one[2:].strip(". \n") for one in lettered(row.options)}
    letter = can_infer(text or "nan", options)
    letter = None if letter == NONE else letter
    return Verdict(float(letter == row.answer), status_of(text, letter), letter, "the option's text")


def video_r1(row: Published, text: str) -> Verdict:
    """The whole answer must be the letter."""
    return video_r1_verdict("multiple choice", row.answer, text)


def video_r1_question(row: Published, subtitles: str | None) -> str:
    """Its own set has no subtitles; where they are asked for they stand before the question."""
    question = f"{LISTED}\n{subtitles}\n{row.question}" if subtitles else row.question
    return video_r1_prompt("multiple choice", question, row.options)


RULES: dict[str, Rule] = {
    "official": Rule(official_prompt, official),
    "lmms-eval": Rule(lmms_prompt, lmms),
    "vlmevalkit": Rule(kit_prompt, kit),
    "video-r1": Rule(video_r1_question, video_r1),
}

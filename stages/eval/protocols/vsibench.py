"""VSI-Bench as its authors, lmms-eval, VLMEvalKit and Video-R1 ask it and read the replies."""

from collections.abc import Callable

from strive.stages.eval.protocols.reading.closing_letter import closing_letter
from strive.stages.eval.protocols.reading.first_number import first_number
from strive.stages.eval.protocols.reading.first_word import first_word
from strive.stages.eval.protocols.reading.last_number import last_number
from strive.stages.eval.protocols.reading.lmms_text import scored_text
from strive.stages.eval.protocols.reading.mra import (
    absolute_relative_error,
    as_float,
    mra_of_error,
    signed_relative_error,
)
from strive.stages.eval.protocols.reading.video_r1 import Kind, video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import UNSCORABLE, Status, Verdict
from strive.stages.eval.published import Published

CHOICES = frozenset({
    "object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard", "object_rel_distance",
    "route_planning", "obj_appearance_order",
})
NUMBERS = frozenset({"object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation"})

FRAMES = "These are frames of a video."
LETTER = "Answer with the option's letter from the given choices directly."
PHRASE = "Please answer the question using a single word or phrase."
FLOAT = "Answer briefly and directly in one float number."

Score = Callable[[Published, str], Verdict]


def by_task(choice: Score, number: Score) -> Score:
    """One rule for tasks with options, one for tasks with a number; none for tasks that VSI-Bench does not have."""
    def read(row: Published, text: str) -> Verdict:
        if row.answer is None or row.question_type not in CHOICES | NUMBERS:
            return UNSCORABLE
        return (choice if row.question_type in CHOICES else number)(row, text)
    return read


def status_of(text: str, parsed: object) -> Status:
    """How a reply was read."""
    return "empty" if not text.strip() else "ok" if parsed is not None else "unparsed"


def first_word_choice(row: Published, text: str) -> Verdict:
    """The first word equals the letter, case ignored."""
    word = first_word(text)
    score = float(word.lower() == str(row.answer).lower())
    return Verdict(score, status_of(text, word or None), word or None, "first word, full stops dropped")


def first_word_number(row: Published, text: str) -> Verdict:
    """MRA of the first word as a number."""
    return mra_verdict(row, text, as_float(first_word(text)), signed_relative_error, "first word as a number, MRA")


def first_number_in_text(row: Published, text: str) -> Verdict:
    """MRA of the first number."""
    return mra_verdict(row, text, first_number(text), signed_relative_error, "first number in digits or words, MRA")


def last_number_in_text(row: Published, text: str) -> Verdict:
    """MRA of the last number."""
    return mra_verdict(row, text, last_number(text), absolute_relative_error, "last number, MRA")


def mra_verdict(
    row: Published, text: str, value: float | None, error: Callable[[float, float], float], rule: str
) -> Verdict:
    """MRA against the row's gold; 0 where nothing was read, no verdict for a gold on which the harness stops."""
    gold = as_float(row.answer)
    if gold is None:
        return UNSCORABLE
    if value is None:
        return Verdict(0.0, status_of(text, None), None, rule)
    try:
        return Verdict(mra_of_error(error(value, gold)), "ok", f"{value:.12g}", rule)
    except ZeroDivisionError:
        return UNSCORABLE


def closing_choice(row: Published, text: str) -> Verdict:
    """The reply's letter equals the gold's, both read alike."""
    letter = closing_letter(text)
    score = float(letter == closing_letter(str(row.answer)))
    return Verdict(score, status_of(text, letter), letter, "letter in the last lines, from the bottom up")


def without_thought(read: Score) -> Score:
    """lmms-eval's step before each rule."""
    return lambda row, text: read(row, scored_text(text))


def published_prompt(row: Published, subtitles: str | None) -> str:
    """The question between the authors' two sentences, options under a heading."""
    options = ["Options:\n" + "\n".join(row.options or ())] if row.question_type in CHOICES else []
    return "\n".join([FRAMES, row.question, *options, LETTER if row.question_type in CHOICES else PHRASE])


def vlmevalkit_prompt(row: Published, subtitles: str | None) -> str:
    """Options without a heading, numbers asked for as such."""
    options = list(row.options or ()) if row.question_type in CHOICES else []
    return "\n".join([FRAMES, row.question, *options, LETTER if row.question_type in CHOICES else FLOAT])


def kind_of(row: Published) -> Kind:
    """Video-R1's problem type."""
    return "multiple choice" if row.question_type in CHOICES else "regression"


def ask_video_r1(row: Published, subtitles: str | None) -> str:
    """Video-R1's text."""
    return video_r1_prompt(kind_of(row), row.question, row.options)


def by_video_r1(row: Published, text: str) -> Verdict:
    """Video-R1's reward."""
    return video_r1_verdict(kind_of(row), row.answer, text)


RULES: dict[str, Rule] = {
    "official": Rule(published_prompt, by_task(first_word_choice, first_word_number)),
    "lmms-eval": Rule(published_prompt, without_thought(by_task(first_word_choice, first_number_in_text))),
    "vlmevalkit": Rule(vlmevalkit_prompt, by_task(closing_choice, last_number_in_text)),
    "video-r1": Rule(ask_video_r1, by_task(by_video_r1, by_video_r1)),
}

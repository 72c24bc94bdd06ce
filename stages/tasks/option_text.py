"""Finds the option whose text an answer gives instead of its letter."""

import re
from collections.abc import Sequence
from functools import lru_cache

from strive.stages.tasks.number_words import ALONE, Number
from strive.stages.tasks.numbers import same_number, stated_numbers
from strive.stages.tasks.plain import normal, plain
from strive.stages.tasks.values import find_numbers
from strive.stages.tasks.yes_no import read_yes_no

DENIED = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|without|isnt|wasnt|arent|dont|doesnt|didnt|cannot|cant|rather than|instead of|"
    r"other than|unlike|except|ruled out|excluding|rule out|eliminate|exclude)\b)"
    r"(?:\s+(?:just|really|be|being|is|of|with|to|in|on|at|it|was|option|actually|under|by|for|from|near|behind|above|"
    r"over|below|towards?|into|between|during|because|about|a))*\s*$"
)
DENIED_AFTER = re.compile(
    r"^\s*(?:\w+\s+)?(?:is|are|was|were|does|do|did)\s*(?:not|incorrect|wrong|false|nt)\b|^\s*(?:isnt|arent|wasnt|doesnt|didnt)\b"
)
REASON = re.compile(r"\b(?:because|since|although|even though)\b")
SHORT = {"yes", "no", "true", "false"}
SUBJECT = re.compile(r"^(?:he|she|it|they|we|i)\s+(?=\w+\s+\w)")
DISCLAIMER = re.compile(r"(?:i )?(?:dont|do not|cant|cannot) (?:know|tell|say)|(?:im )?not sure|unsure|unknown|unclear")
TURN = re.compile(r"\b(?:but|though|however|guess|maybe|probably|if i had to)\b")
JOINT = re.compile(r"\b(?:and|then|first|next|finally|lastly|followed by|after that)\b|\n|->|=>|→|>"
                   r"|(?<!\w)\d{1,2}[.):](?=\s)")
LONGEST_LEAD = 40  # words that an answer may have beside the option's own: a lead-in, articles, signs
PARTS = re.compile(r"[,;]|->|→")
SENTENCES = re.compile(r"[.!?;]+(?=\s|$)|\n+")
VERDICT_NOUN = re.compile(r"\b(?:right|correct) (?=answer|option|choice)|\b(?:thats|that is|youre|you are) right\b")


def equal_options(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options whose normalised text equals the answer's (a lead-in like "the answer is" is dropped)."""
    if len(text.split()) > max(len(option.split()) for option in options) + LONGEST_LEAD:
        return set()
    wanted = lead_in(normal(text))
    return {i for i, option in enumerate(options) if normal(option) and normal(option) == wanted}


def lead_in(text: str) -> str:
    """Normalised text without "the answer is" and its kin in front."""
    return re.sub(
        r"^(?:(?:so|thus|therefore|hence|final|correct|best|right|my)\s+)*"
        r"(?:(?:answer|option|choice|result)(?:\s+is)?|it is|its|this is)\s+(?=\S)",
        "",
        text,
    )


def sequence_options(text: str, options: Sequence[str]) -> set[int]:
    """Where every option is a list ("lamp, door, bed"): those whose items the answer gives in that order."""
    if not all(len([part for part in PARTS.split(option) if part.strip()]) > 1 for option in options):
        return set()
    flat = [JOINT.sub(" ", plain(option)) for option in options]
    return occurring_options(JOINT.sub(" ", text), flat)


def yes_no_options(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options "yes" and "no" that the answer gives, if there are both."""
    wanted = [normal(option) for option in options]
    if not {"yes", "no"} <= set(wanted):
        return set()
    reading = read_yes_no(text)
    if reading.status == "ambiguous":
        return {wanted.index("yes"), wanted.index("no")}
    return {wanted.index(reading.value)} if reading.value else set()


def occurring_options(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options whose full text occurs, un-denied; the reasons given after "because" count only alone.

    A subject ("He washes …") need not be repeated.
    """
    body = VERDICT_NOUN.sub("", " | ".join(normal(part) for part in SENTENCES.split(text)))
    if any(SENTENCES.search(option.strip(" .")) for option in options):
        body = body.replace(" | ", " ")
    wanted = [normal(option) for option in options]
    found = standing_in(body, wanted) or standing_in(body, [SUBJECT.sub("", option) for option in wanted])
    if len(found) > 1:
        claimed = standing_in(REASON.split(body)[0], wanted)
        found = claimed or found
    return found


def surest(text: str, found: set[int], options: Sequence[str]) -> set[int]:
    """`found` without "I don't know" and its kin where the text goes on with "but" and another option."""
    sure = {i for i in found if not DISCLAIMER.fullmatch(normal(options[i]))}
    return sure if sure and TURN.search(normal(text)) else found


def standing_in(body: str, wanted: Sequence[str]) -> set[int]:
    """Indices of the options (normalised) that stand in `body`; inside a longer option's text they do not."""
    spans: list[tuple[int, int, int]] = []  # start, end, option
    for i, option in enumerate(wanted):
        if not option or option not in body:
            continue
        if option in SHORT and not re.match(rf"{option}\b", lead_in(body)):
            continue
        spans += [(m.start(), m.end(), i) for m in re.finditer(rf"(?<!\w){re.escape(option)}(?!\w)", body)]
    return standing(body, [s for s in sorted(spans) if not any(covers(o, s) for o in spans)], wanted)


def covers(outer: tuple[int, int, int], inner: tuple[int, int, int]) -> bool:
    """The outer span holds the inner one and more."""
    return outer[0] <= inner[0] and inner[1] <= outer[1] and outer[1] - outer[0] > inner[1] - inner[0]


def standing(body: str, spans: Sequence[tuple[int, int, int]], wanted: Sequence[str]) -> set[int]:
    """The options of the spans (in order) that are not denied; "not a, b or c" denies all three."""
    left: set[int] = set()
    denied_until = -1
    for k, (start, end, i) in enumerate(spans):
        passed_on = denied_until >= 0 and continues_list(body, denied_until, spans[k:])
        if passed_on or (wanted[i] not in SHORT and is_denied(body, start, end)):
            denied_until = end
        else:
            left.add(i)
            denied_until = -1
    return left


def continues_list(body: str, place: int, spans: Sequence[tuple[int, int, int]]) -> bool:
    """The text from `place` on goes through the spans as a list that an "or", "nor" or "and" joins: "b or c"."""
    for start, end, _ in spans:
        gap = body[place:start].strip()
        if gap in ("or", "nor", "and"):
            return True
        if gap:
            return False
        place = end
    return False


def is_denied(body: str, start: int, end: int) -> bool:
    """A negation stands directly before or after."""
    return DENIED.search(body[max(0, start - 60) : start]) is not None or DENIED_AFTER.match(body[end:]) is not None


def numeric_options(text: str, options: Sequence[str], question: str = "") -> set[int]:
    """Indices of the options that are a number the answer gives; none if it gives others too. Units count where known.
    """
    offered = [(i, found) for i, option in enumerate(options) if (found := quantity(option))]
    stated = stated_numbers(text, question)[0] if offered else []
    equal = [{i for i, option in offered if same_quantity(number, option)} for number in stated]
    return set().union(*equal) if equal and all(equal) else set()


def same_quantity(given: Number, option: Number) -> bool:
    """Equal values, converted where both have a known unit."""
    value = f"{given.value:.12g}" + ("%" if given.percent else "")
    if given.unit and option.unit:
        if given.unit.dimension != option.unit.dimension:
            return False
        value = f"{given.value * given.unit.factor / option.unit.factor:.12g}"
    return same_number(value, f"{option.value:.12g}" + ("%" if option.percent else ""))


@lru_cache(4096)
def quantity(option: str) -> Number | None:
    """The value of an option that is one number with at most two words more, None for other options."""
    text = plain(option)
    found = find_numbers(text)
    if len(found) != 1:
        return None
    one = found[0]
    rest = re.findall(r"[^\W\d_]+", text[: one.start] + " " + text[one.end :])
    if text[one.start : one.end].lower() in ALONE and rest:
        return None  # "none of the above" is no zero
    return one if len(rest) <= 2 else None


def options_are_numbers(options: Sequence[str]) -> bool:
    """Every option is a quantity."""
    return all(quantity(option) for option in options)

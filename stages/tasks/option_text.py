"""Finds the option whose text an answer gives instead of its letter."""

import re
from collections.abc import Sequence

from strive.stages.tasks.numbers import read_number, same_number
from strive.stages.tasks.plain import normal

DENIED = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|without|isnt|wasnt|arent|dont|doesnt|didnt|cannot|cant|rather than|instead of|"
    r"other than|unlike|except|ruled out|excluding)\b)"
    r"(?:\s+(?:just|really|be|being|is|of|with|to|in|on|at|it|was|option|actually))*\s*$"
)
DENIED_AFTER = re.compile(
    r"^\s*(?:\w+\s+)?(?:is|are|was|were|does|do|did)\s*(?:not|incorrect|wrong|false|nt)\b|^\s*(?:isnt|arent|wasnt|doesnt|didnt)\b"
)
REASON = re.compile(r"\b(?:because|since|although|even though)\b")
SHORT = {"yes", "no", "true", "false"}


def equal_options(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options whose normalised text equals the answer's (a lead-in like "the answer is" is dropped)."""
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


def occurring_options(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options whose full text occurs, un-denied; the reasons given after "because" count only alone."""
    body = normal(text)
    found = standing_in(body, options)
    if len(found) > 1:
        claimed = standing_in(REASON.split(body)[0], options)
        return claimed or found
    return found


def standing_in(body: str, options: Sequence[str]) -> set[int]:
    """Indices of the options whose text stands in `body` (normalised); inside a longer option's text it does not."""
    spans: list[tuple[int, int, int]] = []  # start, end, option
    for i, option in enumerate(options):
        wanted = normal(option)
        if wanted in SHORT and not re.match(rf"{wanted}\b", lead_in(body)):
            continue
        if wanted:
            spans += [(m.start(), m.end(), i) for m in re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", body)]
    outer = [
        s
        for s in spans
        if not any(o != s and o[0] <= s[0] and s[1] <= o[1] and o[1] - o[0] > s[1] - s[0] for o in spans)
    ]
    standing: set[int] = set()
    denied_until = -1
    for start, end, i in sorted(outer):
        passed_on = denied_until >= 0 and re.fullmatch(r"\s*(?:or|nor|and)\s*", body[denied_until:start]) is not None
        if passed_on or (normal(options[i]) not in SHORT and is_denied(body, start, end)):
            denied_until = end
        else:
            standing.add(i)
            denied_until = -1
    return standing


def is_denied(body: str, start: int, end: int) -> bool:
    """A negation stands directly before or after."""
    return DENIED.search(body[:start]) is not None or DENIED_AFTER.match(body[end:]) is not None


def numeric_options(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options whose value, unit ignored, is the answer's one value."""
    given = read_number(text)
    if given.value is None:
        return set()
    values = [read_number(option).value for option in options]
    return {i for i, value in enumerate(values) if value is not None and same_number(given.value, value)}

"""An open answer in the manner of MMMU: the tails of a reply's sentences, and every number in them."""

import re

INDICATORS = (
    "could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ", "are ", "in total ", "total ",
    "identify ", "recognize ", "calculated as ", "counted as ", "measured as ", "observed as ", "concluded as ",
    "found to be ", "equals ", "determined to be ", "number of ", "value is ", "adds up to ", "have ", "has ",
)
TRIVIAL = frozenset(":,.!?;'")
NUMBERS = tuple(map(re.compile, (  # (?<!\d): not again from within the digits, which takes long on a reply of digits
    r"-?\b\d{1,3}(?:,\d{3})+\b",
    r"-?(?<!\d)\d+(?:\.\d+)?[eE][+-]?\d+",
    r"-?(?:(?<!\d)\d+\.\d+|\.\d+|(?<!\d)\d+\b)(?![eE][+-]?\d+)(?![,\d])",
)))
Value = str | float


def matches_open(reply: str, gold: object) -> bool:
    """True when a number of the reply equals the gold to two decimals, or the gold's text stands in a tail of it."""
    golds = [value for one in (gold if isinstance(gold, list) else [gold]) for value in normalised(str(one))]
    texts = [one for one in golds if isinstance(one, str)]
    return any(any(one in value for one in texts) if isinstance(value, str) else value in golds
               for value in values_of(reply))


def values_of(reply: str) -> list[Value]:
    """The tails as texts (lower case) and numbers (rounded to two decimals)."""
    tails = tails_of(reply.strip().strip(".").lower())
    found = [*tails, *(number for tail in tails for pattern in NUMBERS for number in pattern.findall(tail))]
    return [value for one in found for value in normalised(one)]


def tails_of(text: str) -> list[str]:
    """Of each line the shortest rest after an indicator, in the last one after "=" too; without any the text itself."""
    lines = text.split("\n")
    tails = []
    for number, line in enumerate(lines):
        marks = (*INDICATORS, "=") if number == len(lines) - 1 else INDICATORS
        tail = shortest([line.split(mark)[-1].strip() for mark in marks if mark in line])
        if tail and tail not in TRIVIAL:
            tails.append(tail)
    return tails or [text]


def shortest(rests: list[str]) -> str:
    """The shortest, the first of equals; an empty one gives way to whatever comes after it."""
    chosen = ""
    for rest in rests:
        if not chosen or len(rest) < len(chosen):
            chosen = rest
    return chosen


def normalised(text: str) -> list[Value]:
    """A number rounded to two decimals, else the text in lower case; a single letter with a space on either side."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lower = text.lower()
    return [f" {lower}", f"{lower} "] if len(lower) == 1 else [lower]

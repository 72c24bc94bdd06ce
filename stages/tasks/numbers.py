"""Reads which of the numbers in an answer is the answer: its value in canonical text."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from strive.stages.tasks.number_words import Number
from strive.stages.tasks.plain import asserted, plain
from strive.stages.tasks.reading import UNPARSED, Reading, read
from strive.stages.tasks.units import Unit, unit_asked
from strive.stages.tasks.values import find_numbers

STATED = re.compile(
    r"(?:(?:answer|result|total|value|count|sum|number|estimate|altogether|in total|答案|总共|一共)"
    r"\s*(?:[\w\s]{0,30}?\b)?"
    r"(?:is|are|was|=|:|equals?|would be|should be|comes to|amounts to|是|为)"
    r"|(?:in total|altogether|overall|a total of|total of|总共|一共|共)[,:]?(?:\s+there (?:are|is|were))?)\s*"
    r"(?:about|approximately|around|roughly|exactly|~|≈|:|\s)*",
    re.IGNORECASE,
)
TOTAL_AFTER = re.compile(r"\b(?:in total|altogether|all together|in all)\b(?=\s*(?:[:.,;(!]|$))", re.IGNORECASE)
CONCLUDED = re.compile(
    r"(?:(?:^|[\s,.;:(])(?:so|thus|hence|therefore|making|makes|giving|gives|"
    r"i\.e\.|no(?=,)|i(?: would|'d) (?:say|guess)|i estimate|wait|actually|sorry|correction|i mean)[,:]?"
    r"|(?:^|[\s,.;])(?:so|thus|hence|therefore),? [^.;,\n\d]{1,50}\b(?:is|are)"
    r"|\b(?:plus|and) [\w\s.\-]{1,30}? (?:is|makes|gives|equals))"
    r"\s*(?:(?:it is|it's|there are|there is|that's|that is|a total of|about|around|roughly|"
    r"approximately|exactly)\s+)*$",
    re.IGNORECASE,
)
BREAKDOWN = re.compile(
    r"\b(?:there (?:are|were|is)|(?:i|we) (?:can )?(?:count|counted|see|saw)|"
    r"the (?:video|room|scene) (?:shows|has|contains))\b[^.:;(\n]*[:(]",
    re.IGNORECASE,
)
LINE = re.compile(r"[^\n]+")
COUNTED = re.compile(r"\bhow many (?:different |distinct |unique )?([a-z]{3,})", re.IGNORECASE)
RANGE = re.compile(r"\s*(?:or|to|and|-|/|,)\s*(?:maybe |possibly |perhaps )?", re.IGNORECASE)
COUNTS = re.compile(r"\s+(?!(?:or|to|and|by|times|x)\b)[a-z]{3,}", re.IGNORECASE)
STOP = re.compile(r"[.!?](?=\s|$)|\n|[;,]\s|\(|\b(?:because|since|as|where|which|with|in)\b")


def read_number(answer: str, question: str = "") -> Reading:
    """The one value an answer states, as text (a percentage keeps its sign), in the unit that the question asks for.

    After the last "=" if a number follows it, else after the last "the answer is" and the like, else alone on the last
    or first line, else the only value in the text, a conversion or a breakdown that follows it left aside. Two
    different values ("4 or 5", "4-5") are ambiguous: a range is no number.
    """
    numbers, rule = stated_numbers(answer, question)
    return decide(numbers, rule)


def stated_numbers(answer: str, question: str = "") -> tuple[list[Number], str]:
    """The values that stand for the answer, several where they contradict each other, and how they were found."""
    text = asserted(plain(answer))
    numbers = in_unit(text, find_numbers(text), unit_asked(question))
    if len({(n.value, n.percent) for n in numbers}) < 2:
        return numbers, "only number"
    places = (
        ("number after =", after_equals(text, numbers)),
        ("stated number", after_statement(text, numbers)),
        ("number alone on its line", alone_on_line(text, numbers)),
        ("concluding number", concluding(text, numbers)),
        ("number before its parts", before_breakdown(text, numbers)),
        ("number outside brackets", outside_brackets(text, numbers)),
        ("number of what is counted", of_counted(text, numbers, question)),
    )
    return next(((found, rule) for rule, found in places if found), (numbers, "several numbers"))


def in_unit(text: str, numbers: list[Number], unit: Unit | None) -> list[Number]:
    """The numbers in the unit asked for; those of another dimension, and counts beside them, are left aside."""
    if unit is None:
        return numbers
    fitting = [n for n in numbers if n.unit is None or n.unit.dimension == unit.dimension]
    if any(n.unit for n in fitting):
        fitting = [n for n in fitting if n.unit or not COUNTS.match(text, n.end)]
    converted = [replace(n, value=n.value * n.unit.factor / unit.factor) if n.unit else n for n in fitting]
    named = [a for a, n in zip(converted, fitting, strict=True) if n.unit == unit]
    others = [a for a, n in zip(converted, fitting, strict=True) if n.unit != unit]
    if named and all(n.unit and abs(n.value - named[0].value) <= 0.1 * abs(named[0].value) for n in others):
        return named  # "215 sq ft, which is about 20 m²"
    return converted or numbers


def after_equals(text: str, numbers: list[Number]) -> list[Number]:
    """The numbers after the last "=" (or "≈"): the result of a sum."""
    place = text.rfind("=") if "=" in text else text.rfind("≈")
    after = [n for n in numbers if n.start > place >= 0]
    return after if after and only_filler(text[place : after[0].start]) else []


def after_statement(text: str, numbers: list[Number]) -> list[Number]:
    """The one before "in total", or the numbers of the last "the answer is …"."""
    total = TOTAL_AFTER.search(text)
    before = [n for n in numbers if total and n.end <= total.start()]
    if total and before and re.fullmatch(r"[^,.;:!?\n]{0,25}", text[before[-1].end : total.start()]):
        return before[-1:]
    place = last_end(STATED, text)
    after = [n for n in numbers if n.start >= place >= 0]
    return in_sentence(text, after) if after and only_filler(text[place : after[0].start]) else []


def alone_on_line(text: str, numbers: list[Number]) -> list[Number]:
    """A number that is, with its unit, all that the last or the first of several lines says."""
    lines = [line for line in LINE.finditer(text) if line[0].strip()]
    for line in (lines[-1], lines[0]) if len(lines) > 1 else ():
        inside = [n for n in numbers if line.start() <= n.start < line.end()]
        if len(inside) == 1 and not text[line.start() : inside[0].start].strip(" ~≈-*$\"'("):
            unit = text[inside[0].end : line.end()]
            if re.fullmatch(r"[\W_]*(?:[\w^²³/]+\W*){0,2}", unit):
                return inside
    return []


def concluding(text: str, numbers: list[Number]) -> list[Number]:
    """The last number, ending the text, when "so" leads to it or, to the sum, a colon: "two and two: four"."""
    last = numbers[-1]
    if re.fullmatch(r"(?:\W*[\w^/]+){0,3}[\s.!)*]*", text[last.end :]) is None:
        return []
    left = text[max(0, last.start - 80) : last.start]
    summed = left.rstrip().endswith(":") and abs(sum(n.value for n in numbers[:-1]) - last.value) < 1e-9
    return [last] if summed or CONCLUDED.search(left) else []


def before_breakdown(text: str, numbers: list[Number]) -> list[Number]:
    """The one number of "there are four chairs: two here, two there"."""
    claim = BREAKDOWN.search(text)
    inside = [n for n in numbers if claim and claim.start() <= n.start < claim.end()]
    return inside if len(inside) == 1 else []


def outside_brackets(text: str, numbers: list[Number]) -> list[Number]:
    """The one number outside brackets, when what is inside is no alternative: "3.5 m (about 11 feet)"."""
    brackets = [(m.start(), m.end()) for m in re.finditer(r"\([^()]*\)", text)]
    if any(re.search(r"\b(?:or|maybe|perhaps|possibly|alternatively|not)\b", text[a:b]) for a, b in brackets):
        return []
    outside = [n for n in numbers if not any(a <= n.start < b for a, b in brackets)]
    return outside if len({n.value for n in outside}) == 1 and len(outside) < len(numbers) else []


def of_counted(text: str, numbers: Sequence[Number], question: str) -> list[Number]:
    """The one number before the thing that "how many …" asks for: "4 tables and 2 chairs"."""
    counted = COUNTED.search(question)
    if counted is None:
        return []
    thing = re.compile(rf"\s+(?:[a-z\-]+\s+)?{re.escape(singular(counted[1]))}(?:s|es|\(s\))?\b", re.IGNORECASE)
    found = [n for n in numbers if thing.match(text, n.end)]
    weighed = any(RANGE.fullmatch(text[a.end : b.start]) for a, b in pairwise(numbers))
    return found if len(found) == 1 and not weighed else []


def singular(noun: str) -> str:
    """ "tables" → "table"."""
    return noun[:-1] if noun.lower().endswith("s") and not noun.lower().endswith("ss") else noun


def last_end(pattern: re.Pattern[str], text: str) -> int:
    """End of the last match, -1 without one."""
    ends = [match.end() for match in pattern.finditer(text)]
    return ends[-1] if ends else -1


def only_filler(gap: str) -> bool:
    """True if a cue and the number after it belong together."""
    return len(gap) < 30 and not re.search(r"[.!?;\n]\s", gap)


def in_sentence(text: str, numbers: list[Number]) -> list[Number]:
    """The numbers up to the end of the first one's sentence."""
    stop = STOP.search(text, numbers[0].end)
    return [n for n in numbers if stop is None or n.start < stop.start()]


def decide(numbers: Sequence[Number], rule: str = "") -> Reading:
    """One value, or the same one several times."""
    if not numbers:
        return UNPARSED
    first = numbers[0].value
    if any(abs(n.value - first) > 1e-9 * abs(first) for n in numbers):
        return Reading("ambiguous", rule="several numbers")
    percent = any(n.percent for n in numbers)
    return read(f"{first:.12g}" + ("%" if percent else ""), rule)


def same_number(given: str, gold: str) -> bool:
    """Equal at the gold's precision, at least two decimals; 10 % equals 0.1 and, written in percent, 10.

    Both are canonical texts of `read_number`.
    """
    percent, gold_percent = given.endswith("%"), gold.endswith("%")
    value, target = float(given.rstrip("%")), float(gold.rstrip("%"))
    pairs = [(value, target)]
    if percent and not gold_percent:
        pairs.append((value / 100, target))
    if gold_percent and not percent:
        pairs.append((value, target / 100))
    return any(close(a, b) for a, b in pairs)


def close(value: float, target: float) -> bool:
    """|value − target| at most half a unit of the target's last decimal (of the second, if it has fewer)."""
    written = f"{target:.12g}"
    decimals = max(2, len(written.partition(".")[2])) if "e" not in written else 2
    slack = 0.5 * 10.0**-decimals if "e-" not in written else abs(target) * 1e-6
    return abs(value - target) <= slack + 1e-9 * abs(target)

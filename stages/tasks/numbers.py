"""Reads the numeric value of an answer: digits, separators, units, percent, fractions, powers of ten, words."""

import math
import re
from dataclasses import replace

from strive.stages.tasks.number_words import Number, in_words
from strive.stages.tasks.plain import plain
from strive.stages.tasks.reading import AMBIGUOUS, UNPARSED, Reading, read

SUFFIX = {
    "k": 1e3,
    "thousand": 1e3,
    "million": 1e6,
    "mn": 1e6,
    "billion": 1e9,
    "bn": 1e9,
    "trillion": 1e12,
    "hundred": 100.0,
    "dozen": 12.0,
    "万": 1e4,
    "亿": 1e8,
}

DIGITS = re.compile(
    r"(?<![A-Za-z\d^_.])(?P<sign>(?<![\w)\]%])[-+]\s?)?"
    r"(?P<body>\d{1,3}(?:[,   ']\d{3})+(?:\.\d+)?(?!\d)|\d{1,40}(?:[.,]\d{1,40}|[.,](?!\d))?|\.\d{1,40})"
    r"(?:\s?(?:e(?P<exp>[-+]?\d+)\b|x\s?10\s?\^\s?\{?\(?(?P<power>[-+]?\d+)\)?\}?))?"
    r"(?:\s?/\s?(?P<over>\d+(?:\.\d+)?)(?![\d/]))?"
    r"\s*(?P<suffix>%|percent\b|per cent\b|thousand\b|million\b|billion\b|trillion\b|hundred\b|dozen\b|mn\b|bn\b|"
    r"[kK]\b|万|亿)?",
    re.IGNORECASE,
)
STATED = re.compile(
    r"(?:(?:answer|result|total|value|count|sum|number|estimate|altogether|in total|答案|总共|一共)"
    r"\s*(?:[\w\s]{0,30}?\b)?"
    r"(?:is|are|was|=|:|equals?|would be|should be|comes to|amounts to|是|为)"
    r"|(?:in total|altogether|overall|a total of|total of|总共|一共|共)[,:]?(?:\s+there (?:are|is|were))?)\s*"
    r"(?:about|approximately|around|roughly|exactly|~|≈|:|\s)*",
    re.IGNORECASE,
)
TOTAL_AFTER = re.compile(r"\b(?:in total|altogether|all together|in all)\b(?=\s*(?:[:.,;(!]|$))", re.IGNORECASE)
BREAKDOWN = re.compile(
    r"\b(?:there (?:are|were|is)|(?:i|we) (?:can )?(?:count|counted|see|saw)|"
    r"the (?:video|room|scene) (?:shows|has|contains))\b[^.:;(\n]*[:;(]",
    re.IGNORECASE,
)
LINE = re.compile(r"[^\n]+")
MINUS = re.compile(r"(?<![\w)])(?:minus|negative)\s*$", re.IGNORECASE)
NEGATED = re.compile(
    r"(?:\bnot|n't|rather than|instead of|never|不是)\s*(?:just|only|exactly|about)?\s*$", re.IGNORECASE
)


def read_number(answer: str) -> Reading:
    """The one value an answer states, as text (a percentage keeps its sign).

    After the last "=" if a number follows it, else after the last "the answer is" and the like, else alone on the last
    or first line, else the only value in the text, a conversion or a breakdown that follows it left aside. Two
    different values ("4 or 5", "4-5") are ambiguous: a range is no number.
    """
    text = plain(answer)
    numbers = find_numbers(text)
    for stated in (after_equals(text, numbers), after_statement(text, numbers), alone_on_line(text, numbers)):
        if stated:
            return decide(stated)
    found = decide(numbers)
    if found.status == "ambiguous":
        claims = [claim for claim in (before_breakdown(text, numbers), outside_brackets(text, numbers)) if claim]
        found = decide(claims[0]) if claims else found
    return found


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


def last_end(pattern: re.Pattern[str], text: str) -> int:
    """End of the last match, -1 without one."""
    ends = [match.end() for match in pattern.finditer(text)]
    return ends[-1] if ends else -1


def only_filler(gap: str) -> bool:
    """True if a cue and the number after it belong together."""
    return len(gap) < 30 and not re.search(r"[.!?;\n]\s", gap)


def in_sentence(text: str, numbers: list[Number]) -> list[Number]:
    """The numbers up to the end of the first one's sentence."""
    stop = re.compile(r"[.!?](?=\s|$)|\n|[;,]\s|\b(?:because|since|as|where|which|with|in)\b").search(
        text, numbers[0].end
    )
    return [n for n in numbers if stop is None or n.start < stop.start()]


def decide(numbers: list[Number]) -> Reading:
    """One value, or the same one several times."""
    if not numbers:
        return UNPARSED
    if len({(n.value, n.percent) for n in numbers}) > 1 and len({n.value for n in numbers}) > 1:
        return AMBIGUOUS
    percent = any(n.percent for n in numbers)
    return read(f"{numbers[0].value:.12g}" + ("%" if percent else ""))


def find_numbers(text: str) -> list[Number]:
    """Every value that the plain `text` writes in digits or words and does not deny, in order."""
    text = text.replace("⁄", "/")
    digits = [number_of(match) for match in DIGITS.finditer(text)]
    found = [n for n in digits if n is not None and math.isfinite(n.value)]
    taken = {place for n in found for place in range(n.start, n.end)}
    found += [n for n in in_words(text) if n.start not in taken and n.end - 1 not in taken]
    stated = [n for n in found if not NEGATED.search(text[max(0, n.start - 40) : n.start])]
    return sorted((signed(text, n) for n in stated), key=lambda n: n.start)


def signed(text: str, number: Number) -> Number:
    """The number, negated when "minus" or "negative" stands before it."""
    if MINUS.search(text[max(0, number.start - 12) : number.start]) and number.value > 0:
        return replace(number, value=-number.value)
    return number


def number_of(match: re.Match[str]) -> Number | None:
    """The value of a match of `DIGITS`; None for a division by zero."""
    value = float(unseparated(match["body"]))
    exponent = match["exp"] or match["power"]
    if exponent:
        value = value * 10.0 ** int(exponent) if abs(int(exponent)) <= 300 else math.inf
    if match["over"]:
        if float(match["over"]) == 0:
            return None
        value /= float(match["over"])
    suffix = (match["suffix"] or "").lower()
    value *= SUFFIX.get(suffix, 1.0)
    if (match["sign"] or "").strip() == "-":
        value = -value
    return Number(value, suffix in ("%", "percent", "per cent"), match.start(), match.end())


def unseparated(body: str) -> str:
    """ "7,243,000" → "7243000"; a single comma that cannot separate thousands is a decimal comma: "1,5" → "1.5"."""
    if re.fullmatch(r"\d{1,3}(?:[,   ']\d{3})+(?:\.\d+)?", body):
        return re.sub(r"[,   ']", "", body)
    return body.rstrip(".,").replace(",", ".") or "0"


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

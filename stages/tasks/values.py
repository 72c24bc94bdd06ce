"""Finds every value that a text writes: digits, separators, percent, fractions, powers of ten, words, units."""

import math
import re
from dataclasses import replace

from strive.stages.tasks.number_words import UNITS, Number, in_words
from strive.stages.tasks.units import unit_after

SUFFIX = {
    "k": 1e3, "thousand": 1e3, "million": 1e6, "mn": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12,
    "hundred": 100.0, "dozen": 12.0, "万": 1e4, "亿": 1e8,
}
DIGITS = re.compile(
    r"(?<![A-Za-z\d^_.])(?P<sign>(?<![\w)\]%])[-+]\s?)?"
    r"(?P<body>\d{1,3}(?:[, ']\d{3})+(?:\.\d+)?(?!\d)|\d{1,40}(?:[.,]\d{1,40}|[.,](?!\d))?|\.\d{1,40})"
    r"(?:\s?(?:e(?P<exp>[-+]?\d+)\b|x\s?10\s?\^\s?\{?\(?(?P<power>[-+]?\d+)\)?\}?))?"
    r"(?:\s(?P<upper>\d)(?=/\d))?(?:\s?/\s?(?P<over>\d+(?:\.\d+)?)(?![\d/]))?"
    r"\s*(?P<suffix>%|percent\b|per cent\b|thousand\b|million\b|billion\b|trillion\b|hundred\b|dozen\b|mn\b|bn\b|"
    r"[kK]\b|万|亿)?",
    re.IGNORECASE,
)
MINUS = re.compile(r"(?<![\w)])(?:minus|negative)\s*$", re.IGNORECASE)
NEGATED = re.compile(
    r"(?:\bnot|n't|rather than|instead of|never|不是|\b(?:more|less|fewer|greater|larger) than)"
    r"\s*(?:just|only|exactly|about)?\s*$",
    re.IGNORECASE,
)
LABELLED = re.compile(  # "frame 12" is a name, and the 0.2 of "1.5 ± 0.2" no second value
    r"(?:\b(?:frames?|images?|figures?|fig\.|steps?|clips?|scenes?|shots?|options?|choices?|slides?)\s*#?"
    r"|±|\+/-|\+-|\bplus or minus)\s*$",
    re.IGNORECASE,
)
ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
HALF = re.compile(r"\s+and\s+a\s+half\b", re.IGNORECASE)
POINT = re.compile(rf"\s+point((?:\s+(?:{'|'.join(list(UNITS)[:10])}))+)\b", re.IGNORECASE)


def find_numbers(text: str) -> list[Number]:
    """Every value that the plain `text` writes in digits or words, neither denied nor part of a name, in order."""
    text = text.replace("⁄", "/")
    digits = [number_of(match) for match in DIGITS.finditer(text)]
    found = [n for n in digits if n is not None and math.isfinite(n.value)]
    taken = {place for n in found for place in range(n.start, n.end)}
    found += [n for n in in_words(text) if n.start not in taken and n.end - 1 not in taken]
    stated = [n for n in found if is_value(text[max(0, n.start - 40) : n.start], text[n.end : n.end + 4])]
    whole = sorted((completed(text, n) for n in stated), key=lambda n: n.start)
    return [n for before, n in zip([None, *whole], whole, strict=False) if before is None or n.start >= before.end]


def is_value(left: str, right: str) -> bool:
    """False when the words around the number deny it, make a bound of it, or make it a name or a place."""
    return NEGATED.search(left) is None and LABELLED.search(left) is None and ORDINAL.match(right) is None


def completed(text: str, number: Number) -> Number:
    """The number with "minus" before it, "and a half" or "point five" after it, and its unit."""
    if number.value > 0 and MINUS.search(text[max(0, number.start - 12) : number.start]):
        number = replace(number, value=-number.value)
    half = HALF.match(text, number.end)
    if half and number.value == int(number.value):
        number = replace(number, value=number.value + 0.5, end=half.end())
    point = POINT.match(text, number.end)
    if point and number.value == int(number.value):
        digits = "".join(str(UNITS[word]) for word in point[1].lower().split())
        number = replace(number, value=number.value + float(f"0.{digits}"), end=point.end())
    return replace(number, unit=unit_after(text, number.end))


def number_of(match: re.Match[str]) -> Number | None:
    """The value of a match of `DIGITS`; None for a division by zero."""
    value = float(unseparated(match["body"]))
    exponent = match["exp"] or match["power"]
    if exponent:
        value = value * 10.0 ** int(exponent) if abs(int(exponent)) <= 300 else math.inf
    if match["over"]:
        if float(match["over"]) == 0:
            return None
        upper = match["upper"]  # "1 1/2"
        value = value + float(upper) / float(match["over"]) if upper else value / float(match["over"])
    suffix = (match["suffix"] or "").lower()
    value *= SUFFIX.get(suffix, 1.0)
    if (match["sign"] or "").strip() == "-":
        value = -value
    end = match.start() + len(match[0].rstrip())
    return Number(value, suffix in ("%", "percent", "per cent"), match.start(), end)


def unseparated(body: str) -> str:
    """ "7,243,000" → "7243000"; a single comma that cannot separate thousands is a decimal comma: "1,5" → "1.5"."""
    if re.fullmatch(r"\d{1,3}(?:[, ']\d{3})+(?:\.\d+)?", body):
        return re.sub(r"[, ']", "", body)
    return body.rstrip(".,").replace(",", ".") or "0"

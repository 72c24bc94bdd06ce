"""Reads numbers written out in words: English ones of any size, single Chinese numerals with a measure word."""

import re
from dataclasses import dataclass

from strive.stages.tasks.units import Unit

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
UNITS = {word: value for value, word in enumerate(re.findall(r"\w+", SMALL))}
TENS = {
    word: 10 * value
    for value, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
SCALES = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
ALONE = {"none": 0.0, "nothing": 0.0, "once": 1.0, "twice": 2.0, "thrice": 3.0,
         "half": 0.5, "quarter": 0.25, "dozen": 12.0, "pair": 2.0}
CHINESE = {char: value for value, char in enumerate("零一二三四五六七八九十")} | {"两": 2}
WORD = re.compile(r"[a-z]+", re.IGNORECASE)
LONGEST = 30  # words of one number


@dataclass(frozen=True)
class Number:
    """A value as written, at text[start:end]; `percent`: a % sign followed it; `unit`: the known one after it."""

    value: float
    percent: bool
    start: int
    end: int
    unit: Unit | None = None


def in_words(text: str) -> list[Number]:
    """Values written out: "twenty-five", "three hundred and one", "half a million", "none"."""
    found: list[Number] = []
    words = list(WORD.finditer(text))
    k = 0
    while k < len(words):
        length, value = phrase(text, words[k : k + LONGEST])
        if length:
            percent = re.match(r"\s*(?:%|percent|per cent)", text[words[k + length - 1].end() :]) is not None
            found.append(Number(value, percent, words[k].start(), words[k + length - 1].end()))
        k += max(length, 1)
    return found + in_chinese(text)


def in_chinese(text: str) -> list[Number]:
    """Single Chinese numerals with a measure word, such as 三个."""
    hits = re.finditer(r"([零一二三四五六七八九十两])(?=[个只次位名张条种辆人]|\s*$)", text)
    return [Number(float(CHINESE[hit[1]]), False, hit.start(), hit.end()) for hit in hits]


def phrase(text: str, words: list[re.Match[str]]) -> tuple[int, float]:
    """How many leading `words` form one number, and its value; (0, 0) when none do."""
    first = words[0][0].lower()
    if first == "half" and [match[0].lower() for match in words[1:3]] == ["a", "dozen"]:
        return 3, 6.0
    if first in ALONE:
        return 1, ALONE[first]
    before = text[max(0, words[0].start() - 8) : words[0].start()]
    scaled = first in SCALES and re.search(r"\ba\s+$", before, re.IGNORECASE) is not None  # "a hundred"
    if first not in UNITS and first not in TENS and not scaled:
        return 0, 0.0
    if first in ("one",) and is_pronoun(text, words):
        return 0, 0.0
    total, current, used = 0.0, SCALES[first] if scaled else 0.0, int(scaled)
    for k, match in list(enumerate(words))[used:]:
        word = match[0].lower()
        joined = k == 0 or re.fullmatch(r"[\s\-]*", text[words[k - 1].end() : match.start()]) is not None
        small = current % 100 == 0 or (
            word in UNITS and 0 < UNITS[word] < 10 and current % 10 == 0 and current % 100 >= 20
        )
        if joined and (word in UNITS or word in TENS) and small:
            current += UNITS.get(word, TENS.get(word, 0))
        elif joined and word in SCALES and used:
            current, total = (current * 100, total) if word == "hundred" else (0.0, total + current * SCALES[word])
        elif joined and word == "dozen" and used:
            current *= 12
        elif not (
            joined
            and word == "and"
            and used
            and (current % 100 == 0)
            and k + 1 < len(words)
            and continues(words[k + 1])
        ):
            break
        used = k + 1
    return used, total + current


def continues(match: re.Match[str]) -> bool:
    """The word may follow "and" inside a number."""
    return match[0].lower() in UNITS or match[0].lower() in TENS


def is_pronoun(text: str, words: list[re.Match[str]]) -> bool:
    """ "one of the", "the red one", "one can see": not a count."""
    before = text[max(0, words[0].start() - 30) : words[0].start()].rstrip().rpartition(" ")[2].lower()
    after = words[1][0].lower() if len(words) > 1 else ""
    return after in ("of", "can", "could", "must", "side", "another") or before in (
        "this",
        "that",
        "each",
        "which",
        "the",
        "no",
        "any",
        "every",
    )

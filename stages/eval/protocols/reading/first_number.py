"""lmms-eval's reading of a numeric answer: whichever comes first, a number in digits or one in English words."""

import re

DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
WORD = re.compile(r"[a-z]+")
UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
VALUES = {
    **{word: value for value, word in enumerate(UNITS)},
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
    "hundred": 100,
    "thousand": 1000,
}


def first_number(text: str) -> float | None:
    """The first number of a text ("-3", "24.6 m^2", "twenty-five"), None if there is none.

    Digits end at a comma and know no exponent: "1,5" is 1, "1.2e2" is 1.2, ".5" is 5.
    """
    lowered = text.strip().lower()
    digits = DIGITS.search(lowered)
    start, words = number_words(lowered)
    if digits and (start is None or digits.start() < start):
        return float(digits[0])
    return None if start is None else float(sum_of_words(words))


def number_words(lowered: str) -> tuple[int | None, list[str]]:
    """Where the first run of number words starts, and its words; "and" may stand inside it."""
    start, words = None, list[str]()
    for word in WORD.finditer(lowered):
        if word[0] in VALUES:
            start = word.start() if start is None else start
            words.append(word[0])
        elif start is not None and word[0] != "and":
            break
    return start, words


def sum_of_words(words: list[str]) -> int:
    """ "three hundred and one" is 301; words that make no number are added up all the same ("two three" is 5)."""
    thousands, rest = 0, 0
    for word in words:
        if word == "hundred":
            rest = 100 * max(rest, 1)
        elif word == "thousand":
            thousands, rest = thousands + 1000 * max(rest, 1), 0
        else:
            rest += VALUES[word]
    return thousands + rest

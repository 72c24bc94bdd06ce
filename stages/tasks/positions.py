"""Reads options that an answer names by their place ("the second option") or by the question's own labels."""

import re
from collections.abc import Sequence

from strive.stages.tasks.prompt import letter_of

PLACES = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
ORDINALS = {word: i for i, word in enumerate(PLACES.split())}
ORDINALS |= {f"{i + 1}{s}": i for i, s in enumerate(("st", "nd", "rd", "th", "th", "th", "th", "th"))}
CARDINALS = {w: i for i, w in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight"])}
CARDINALS |= {str(i + 1): i for i in range(26)}
ORDINAL_WORD = rf"({'|'.join(ORDINALS)}|last)"
ORDINAL = re.compile(rf"\b(?:the\s+)?{ORDINAL_WORD}\s+(option|choice|answer|alternative)\b", re.IGNORECASE)
PLACED_NOUN = re.compile(r"option|choice|answer|alternative")  # in lower case, and so quick
BEFORE_NOUN = re.compile(rf"{ORDINAL_WORD}\s+$")
CARDINAL_LIKE = re.compile(r"(?:option|choice|alternative)\s*(?:n|#|o|t|f|s|e|\d)")
ORDINAL_ALONE = re.compile(
    rf"\s*(?:(?:the\s+)?(?:answer|choice)\s*(?:is|:)\s*|it(?:'s| is)\s+)?(?:the\s+)?"
    rf"{ORDINAL_WORD}(?:\s+one)?\s*[.!]?\s*",
    re.IGNORECASE,
)
CARDINAL = re.compile(
    rf"\b(option|choice|alternative)\s*(?:number\s*|no\.?\s*|#\s*)?({'|'.join(CARDINALS)})\b", re.IGNORECASE
)
LABEL_NOUN = r"(?:options?|opt\.?|sentences?|captions?|descriptions?|statements?|choices?|选项|句子|描述)"
LABEL = re.compile(
    rf"(?<![A-Za-z]){LABEL_NOUN}\s*(?:number\s*|no\.?\s*|#\s*|:\s*(?=\W*\w\W*$))?[(\[]?(one|two|three|four|\d|[A-Z](?![\w']))[)\]]?(?![A-Za-z0-9])",
    re.IGNORECASE,
)
LABEL_ORDINAL = re.compile(rf"\b(?:the\s+)?{ORDINAL_WORD}\s+(?:{LABEL_NOUN}|one)\b", re.IGNORECASE)
CHINESE = re.compile(r"第([一二三四五六七八])(?:个选项|个|项)")
PAIRED = re.compile(r"\bthe (former|latter)\b(?:\s+(?:option|choice|one|sentence|caption|description))?", re.IGNORECASE)
DIGIT = re.compile(r"(?<![\w.])(\d)(?![\w]|\.\d)")


def by_position(text: str, options: Sequence[str]) -> str:
    """ "The second option" and "option 2" become "option B", unless the options themselves talk like that."""
    if any(ORDINAL.search(o) or CARDINAL.search(o) for o in options):
        return text

    def ordinal(match: re.Match[str]) -> str:
        index = index_of(match[1], len(options))
        return f"option {letter_of(index)}" if index < len(options) else match[0]

    def cardinal(match: re.Match[str]) -> str:
        index = CARDINALS[match[2].lower()]
        return f"option {letter_of(index)}" if index < len(options) else match[0]

    low = text.lower()
    if "第" in text:
        text = CHINESE.sub(lambda m: ordinal_option("一二三四五六七八".index(m[1]), len(options)) or m[0], text)
    if len(options) == 2:
        text = PAIRED.sub(lambda m: "option A" if m[1].lower() == "former" else "option B", text)
    alone = ORDINAL_ALONE.fullmatch(text)
    if alone and not any(re.search(rf"\d|\b{alone[1]}\b", option, re.IGNORECASE) for option in options):
        return ordinal(alone)
    if any(BEFORE_NOUN.search(low[max(0, m.start() - 40) : m.start()]) for m in PLACED_NOUN.finditer(low)):
        text = ORDINAL.sub(ordinal, text)
    return CARDINAL.sub(cardinal, text) if CARDINAL_LIKE.search(text.lower()) else text


def ordinal_option(index: int, count: int) -> str:
    """The option at that place, "" if there are fewer."""
    return f"option {letter_of(index)}" if index < count else ""


def index_of(word: str, count: int) -> int:
    """The place of an ordinal word among `count` options."""
    return count - 1 if word.lower() == "last" else ORDINALS[word.lower()]


def by_label(text: str, labels: Sequence[str], options: Sequence[str]) -> str:
    """ "Sentence B", "caption 2", "the second one", and a number alone, as "option B"; nothing without labels."""
    if not labels:
        return text

    def named(match: re.Match[str]) -> str:
        word = match[1].lower()
        index = CARDINALS[word] if word in CARDINALS else ord(word) - ord("a")
        return f"option {letter_of(index)}" if 0 <= index < len(options) else match[0]

    def placed(match: re.Match[str]) -> str:
        index = index_of(match[1], len(options))
        return f"option {letter_of(index)}" if index < len(options) else match[0]

    if text.strip(" .!").lower() in CARDINALS:
        text = f"option {text}"
    text = LABEL_ORDINAL.sub(placed, LABEL.sub(named, text))
    if any(DIGIT.search(option) for option in options):
        return text
    return DIGIT.sub(lambda m: letter_of(int(m[1]) - 1) if 1 <= int(m[1]) <= len(options) else m[0], text)

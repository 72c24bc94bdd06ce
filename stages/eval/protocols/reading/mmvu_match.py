"""lmms-eval's rules for MMVU before any judge is asked: generous ones, as they are."""

import re
from collections.abc import Mapping
from string import punctuation

LETTER = re.compile(r"\b([A-E])\b", re.IGNORECASE)
NUMBER = re.compile(r"\d+\.?\d*")
COMPLEXITY = re.compile(r"O\s*\([^)]+\)", re.IGNORECASE)
RAISED = str.maketrans({digit: f"^{value}" for value, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
SHORT = 2
CLOSE = 0.01


def matches_choice(reply: str, gold: str, options: Mapping[str, str]) -> str | None:
    """By which rule the reply names the gold letter, None if by none.

    The first lone letter is it (case ignored); or it stands alone anywhere; or its option's text occurs; or the letter
    occurs anywhere beside a word of more than two letters of its option.
    """
    text, letter = reply.strip(), gold.strip()
    first = LETTER.search(text)
    if first and first[1].upper() == letter.upper():
        return "first lone letter"
    has_letter = letter.upper() in text.upper()
    if has_letter and re.search(rf"\b{re.escape(letter)}\b", text, re.IGNORECASE):
        return "the letter alone anywhere"
    if letter not in options:
        return None
    option, lower = str(options[letter]).strip().lower(), text.lower()
    if option in lower:
        return "the option's text"
    words = [word.strip(punctuation) for word in option.split()]
    long = [word for word in words if len(word) > SHORT]
    return "the letter and a word of its option" if has_letter and any(word in lower for word in long) else None


def matches_free(reply: str, gold: str) -> str | None:
    """By which rule the reply gives the gold text, None if by none: equal, one within the other (an empty reply too),
    first numbers within 0.01, every longer word of a gold of two to five words, the same O(…)."""
    text, wanted = plain(reply), plain(gold)
    if text == wanted:
        return "equal"
    if wanted in text:
        return "the gold within the reply"
    if text in wanted:
        return "the reply within the gold"
    if same_first_number(reply, gold):
        return "first numbers within 0.01"
    words, said = words_of(wanted), words_of(text)
    if 2 <= len(words) <= 5 and all(word in said for word in words if len(word) > SHORT):
        return "every longer word of the gold"
    ours, theirs = COMPLEXITY.search(text), COMPLEXITY.search(wanted)
    return "the same complexity" if ours and theirs and ours[0].lower() == theirs[0].lower() else None


def plain(text: str) -> str:
    """Lower case, superscripts as ^n, single spaces."""
    return " ".join(text.strip().lower().translate(RAISED).split())


def words_of(text: str) -> list[str]:
    """Words without punctuation at their ends."""
    return [bare for word in text.split() if (bare := word.strip(punctuation))]


def same_first_number(reply: str, gold: str) -> bool:
    """The first numbers of both, signs left aside, differ by less than 0.01."""
    ours = NUMBER.search(reply.strip().lower().translate(RAISED))
    theirs = NUMBER.search(gold.strip().lower().translate(RAISED))
    return bool(ours and theirs and abs(float(theirs[0]) - float(ours[0])) < CLOSE)

"""VLMEvalKit's reading of a numeric answer: number words up to twenty become digits, then the last number counts."""

import ast
import re

from strive.stages.eval.protocols.reading.after_thought import after_thought, visible
from strive.stages.eval.protocols.reading.first_number import UNITS

NUMBER = r"[-+]?(?:\d*\.\d+|\d+)(?:[eE][-+]?\d+)?"
NUMBERS = re.compile(NUMBER)
TAGGED = re.compile(rf"<\s*answer\b[^>]*>\s*({NUMBER})(?:[^\d<][^<]*)?<\s*/\s*answer\s*>", re.IGNORECASE)
VALUES = {word: str(value) for value, word in enumerate([*UNITS, "twenty"])}
WORDS = re.compile(rf"\b(?:{'|'.join(VALUES)})\b", re.IGNORECASE)


def last_number(text: str) -> float | None:
    """The number at the head of an `<answer>`, else the last one after the thought, else the last one anywhere."""
    listed = first_listed(text)
    if listed is None:
        return None
    digits = WORDS.sub(lambda word: VALUES.get(word[0].lower(), word[0]), visible(listed))
    tagged = TAGGED.search(digits)
    if tagged:
        return float(tagged[1])
    found = NUMBERS.findall(after_thought(digits)) or NUMBERS.findall(digits)
    return float(found[-1]) if found else None


def first_listed(text: str) -> str | None:
    """The first element of a text that is a list ("[4, 5]"), any other text as it is; None for a broken list."""
    stripped = text.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")):
        return text
    try:
        listed = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return str(listed[0]) if isinstance(listed, list) and listed else text

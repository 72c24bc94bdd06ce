"""Reads yes or no out of an answer."""

import re

from strive.stages.tasks.plain import plain
from strive.stages.tasks.reading import AMBIGUOUS, UNPARSED, Reading, read

WORDS = {
    "yes": "yes",
    "yeah": "yes",
    "yep": "yes",
    "true": "yes",
    "correct": "yes",
    "是": "yes",
    "是的": "yes",
    "对": "yes",
    "ja": "yes",
    "no": "no",
    "nope": "no",
    "false": "no",
    "incorrect": "no",
    "否": "no",
    "不是": "no",
    "不": "no",
    "不对": "no",
    "nein": "no",
    "是的。": "yes",
    "没有": "no",
    "有": "yes",
    "y": "yes",
    "n": "no",
}
BARE = re.compile(r"[\s\"'(\[{<]*([a-z]+|[一-鿿]{1,2})[\s\"')\]}>.,!:;]*", re.IGNORECASE)
STATED = re.compile(
    r"(?:answer|response|conclusion|verdict|答案)\s*(?:to the question\s*)?"
    r"(?:is|:|would be|should be|must be|是|为|therefore|thus|\s)*[\"'(]?(yes|no|true|false)\b"
    r"|(?:so|thus|hence|therefore|say|choose|conclude)[,:]?\s*(?:it is |that's a |the answer is )?[\"']?(yes|no)\b"
    r"(?=\s*[.,!;\"')]|\s*$)",
    re.IGNORECASE,
)
LEADING = re.compile(
    r"^[\"'(\[]*(yes|no|yeah|yep|nope|true|false)\b"
    r"(?!\s+(?:doubt|one can tell|way to (?:know|tell)|idea|information|sure))",
    re.IGNORECASE,
)
TOKEN = re.compile(r"\b(yes|yeah|yep|nope|no)\b(?=\s*[.,!;:\"')\]]|\s*$)", re.IGNORECASE)
BOTH = re.compile(r"\byes\s*(?:and|or|/|,)\s*no\b|\bno\s*(?:and|or|/|,)\s*yes\b", re.IGNORECASE)


def read_yes_no(answer: str) -> Reading:
    """ "yes" or "no": a bare word, the last statement, the first word, else the only one set off in the text."""
    text = plain(answer)
    bare = BARE.fullmatch(text)
    if bare:
        word = WORDS.get(bare[1].lower())
        return read(word) if word else UNPARSED
    if BOTH.search(text):
        return AMBIGUOUS
    stated = [m[1] or m[2] for m in STATED.finditer(text)]
    if stated:
        return read(WORDS[stated[-1].lower()])
    leading = LEADING.match(text)
    if leading:
        return read(WORDS[leading[1].lower()])
    chinese = re.match(r"(不是|不对|没有|否|是的|是|对|有)(?=[\s,.，。]|$)", text)
    if chinese:
        return read(WORDS[chinese[1]])
    found = {WORDS[m[1].lower()] for m in TOKEN.finditer(text)}
    if len(found) > 1:
        return AMBIGUOUS
    return read(found.pop()) if found else UNPARSED

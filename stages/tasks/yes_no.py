"""Reads yes or no out of an answer."""

import re

from strive.stages.tasks.plain import plain
from strive.stages.tasks.reading import AMBIGUOUS, UNPARSED, Reading, read

WORDS = {
    **dict.fromkeys(("yes", "yeah", "yep", "yup", "true", "correct", "affirmative", "y", "ja", "sí", "oui"), "yes"),
    **dict.fromkeys(("no", "nope", "false", "incorrect", "negative", "n", "nein", "non"), "no"),
    **dict.fromkeys(("是", "是的", "对", "有", "会", "正确"), "yes"),
    **dict.fromkeys(("否", "不是", "不", "不对", "没有", "不会", "错误"), "no"),
}
BARE = re.compile(r"[\s\"'(\[{<]*([a-zí]+|[一-鿿]{1,2})[\s\"')\]}>.,!:;?]*", re.IGNORECASE)
STATED = re.compile(
    r"(?:answer|response|conclusion|verdict|答案)[\"']?\s*(?:to (?:the|this) question\s*)?"
    r"(?:is|:|=|would be|should be|must be|是|为|therefore|thus|\s)*[\"'(]?(yes|no|true|false)\b"
    r"|(?:so|thus|hence|therefore|say|choose|conclude|but|mean|actually|wait|correction|sorry)[,:]?\s*"
    r"(?:it is |it's |that's a |the answer is |i'd say )?[\"']?(yes|no)\b(?=\s*[.,!;\"')]|\s*$)"
    r"|\b(?:it's|it is|that's) a (yes|no)\b"
    r"|(?:答案|所以|因此)[是为：:,\s]*(不是|没有|否|是|对|有)",
    re.IGNORECASE,
)
LEADING = re.compile(
    r"^[\"'(\[]*(yes|no|yeah|yep|yup|nope|true|false)\b"
    r"(?!\s+(?:doubt|one\b|way\b|idea|information|sure|clue|clear|evidence|object|person|ball|problem))(?!-)",
    re.IGNORECASE,
)
TOKEN = re.compile(r"(?<![\"'])\b(yes|yeah|yep|nope|no)\b(?=\s*[.,!;:\"')\]]|\s*$)", re.IGNORECASE)
BOTH = re.compile(
    r"\byes\b[\s,\"']*(?:and|or|/|maybe|perhaps)[\s,\"']*no\b|\bno\b[\s,\"']*(?:and|or|/|maybe|perhaps)[\s,\"']*yes\b"
    r"|^\W*(?:yes\W+no|no\W+yes)\W*$",
    re.IGNORECASE,
)
DENIED = re.compile(  # "the answer is not yes", "I cannot say yes", "instead of yes"
    r"(?:\bnot|n't|\bnever|\b(?:wrong|hard|difficult|a mistake) to|\bcannot|rather than|"
    r"instead of)\s+(?:necessarily\s+|simply\s+|really\s+)?"
    r"(?:say\s+|answer\s+|be\s+|a\s+(?:clear\s+)?|an?\s+)?[\"']?(?:yes|no)\b",
    re.IGNORECASE,
)
TURN = re.compile(r"[.,!;]\s*(?:wait|actually|sorry|correction|on second thought|hmm|no wait|scratch that)\b|\.\.\.",
                  re.IGNORECASE)
QUESTION = re.compile(r"^[^.!\n]{10,200}\?\s+(?=\S)")


def read_yes_no(answer: str) -> Reading:
    """ "yes" or "no": a bare word, the last statement, the first word, else the only one set off in the text."""
    text = plain(answer)
    bare = BARE.fullmatch(text)
    if bare:
        word = WORDS.get(bare[1].lower())
        return read(word, "one word") if word else UNPARSED
    if BOTH.search(text):
        return AMBIGUOUS
    text = DENIED.sub(" ", QUESTION.sub("", text))
    stated = [next(word for word in m.groups() if word) for m in STATED.finditer(text)]
    if stated:
        return read(WORDS[stated[-1].lower()], "last statement")
    chinese = re.match(r"(不是的?|不对|没有|否|不|是的|是|对|有)(?=[\s,.，。]|$)", text)
    if chinese:
        return read(WORDS[chinese[1].removesuffix("的")], "first word")
    leading = LEADING.match(text)
    if leading and not TURN.search(text):
        return read(WORDS[leading[1].lower()], "first word")
    return only_token(text)


def only_token(text: str) -> Reading:
    """The one of the two words that the text sets off by punctuation."""
    found = {WORDS[m[1].lower()] for m in TOKEN.finditer(text)}
    if len(found) > 1:
        return Reading("ambiguous", rule="yes and no")
    return read(found.pop(), "only yes or no in the text") if found else UNPARSED

"""lmms-eval's letter out of a reply: every place where a letter may be an answer, the most telling kind first."""

from collections.abc import Sequence

PHRASES = (
    "the answer is", "answer is", "the correct answer is", "correct answer is", "the best answer is", "best answer is",
    "the correct option is", "correct option is", "the best option is", "best option is", "the choice is", "choice is",
    "the correct choice is", "correct choice is", "i choose", "i select", "i pick", "my answer is", "my choice is",
    "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは",
)
SHAPES = (("({})", "in brackets"), ("{}.", "before a full stop"), ("{}:", "before a colon"),
          ("{})", "before a bracket"), ("{} ", "before a space"))
MARKS = ",.!?;:'\""


def lmms_letter(reply: str, letters: Sequence[str]) -> tuple[str, str] | None:
    """(letter, where it stood) of a reply whose closed thoughts are gone; None without any.

    In this order: at the start, at the end, after a phrase, then as "(X)", "X.", "X:", "X)", "X ", at last anywhere;
    where several letters stand alike, the later place counts.
    """
    text = reply.strip()
    for mark in MARKS:
        text = text.strip(mark)
    bare, text = text.strip(), f" {text} "
    if not reply.strip():
        return None
    if bare[:1] in letters and bare and not bare[1:2].isalpha():
        return bare[0], "at the start"
    if bare[-1:] in letters and bare and not bare[-2:-1].isalpha():
        return bare[-1], "at the end"
    return after_phrase(text, letters) or in_shape(text, letters)


def after_phrase(text: str, letters: Sequence[str]) -> tuple[str, str] | None:
    """Of each letter's first place after each phrase's first place, the last one."""
    lower = text.lower()
    places = []
    for phrase in PHRASES:
        start = lower.find(phrase)
        if start >= 0:
            places += [(text.find(letter, start + len(phrase)), letter) for letter in letters]
    found = [(place, letter) for place, letter in places if place >= 0]
    return (last(found), "after a phrase") if found else None


def in_shape(text: str, letters: Sequence[str]) -> tuple[str, str] | None:
    """The last letter of the first shape that occurs, inside words too."""
    for shape, name in (*SHAPES, ("{}", "anywhere")):
        found = [(place, letter) for letter in letters if (place := text.rfind(shape.format(letter))) >= 0]
        if found:
            return last(found), name
    return None


def last(found: Sequence[tuple[int, str]]) -> str:
    """The letter of the latest place."""
    return max(found, key=lambda one: one[0])[1]

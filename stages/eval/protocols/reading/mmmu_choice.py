"""The option letter out of a reply in the manner of MMMU, as Video-MMMU's authors and VLMEvalKit read it."""

from collections.abc import Sequence

MARKS = ",.!?;:'"
MOST_WORDS_WITHOUT_TEXT = 5
Found = tuple[str, str]


def mmmu_choice(reply: str, options: Sequence[str]) -> Found | None:
    """(letter, where it stood): letters before a full stop and before a colon, else in brackets, else before a space,
    else, in a reply of more than five words, the option whose text occurs. Of several the latest; None without any.
    """
    for mark in MARKS:
        reply = reply.strip(mark)
    text = f" {reply} "
    letters = [chr(ord("A") + i) for i in range(len(options))]
    stopped, colons = those(text, letters, "{}."), those(text, letters, "{}:")
    if stopped or colons:
        shape, name = ("{}.", "before a full stop") if stopped else ("{}:", "before a colon")
        return latest(text, [*stopped, *colons], shape), name
    if bracketed := those(text, letters, "({})"):
        return latest(text, bracketed, "({})"), "in brackets"
    if spaced := those(text, letters, "{} "):
        return latest(text, spaced, " {} "), "before a space"
    return by_text(text, dict(zip(letters, options, strict=True)))


def those(text: str, letters: Sequence[str], shape: str) -> list[str]:
    """The letters that occur in this shape, inside words too."""
    return [letter for letter in letters if shape.format(letter) in text]


def latest(text: str, letters: Sequence[str], shape: str) -> str:
    """The letter whose last occurrence in this shape comes last; the first of them where none occurs so."""
    return max(letters, key=lambda letter: text.rfind(shape.format(letter)))


def by_text(text: str, options: dict[str, str]) -> Found | None:
    """The option whose text occurs, case ignored; of several the one that occurs last."""
    if len(text.split()) <= MOST_WORDS_WITHOUT_TEXT:
        return None
    lower = text.lower()
    found = [letter for letter, option in options.items() if option.lower() in lower]
    return (max(found, key=lambda letter: lower.rfind(options[letter].lower())), "the option's text") if found else None

"""Reads the chosen option or options of a multiple-choice answer as letters."""

import re
from collections.abc import Sequence

from strive.stages.tasks.letters import Mention, bare_letters, choose, mentions
from strive.stages.tasks.numbers import read_number
from strive.stages.tasks.option_text import equal_options, numeric_options, occurring_options
from strive.stages.tasks.plain import normal, plain
from strive.stages.tasks.prompt import letter_of
from strive.stages.tasks.reading import AMBIGUOUS, UNPARSED, Reading, read

ORDINALS = {w: i for i, w in enumerate(["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"])}
ORDINALS |= {f"{i + 1}{s}": i for i, s in enumerate(("st", "nd", "rd", "th", "th", "th", "th", "th"))}
CARDINALS = {w: i for i, w in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight"])}
CARDINALS |= {str(i + 1): i for i in range(26)}
ORDINAL = re.compile(rf"\b(?:the\s+)?({'|'.join(ORDINALS)}|last)\s+(option|choice|answer|alternative)\b", re.IGNORECASE)
CARDINAL = re.compile(
    rf"\b(option|choice|alternative)\s*(?:number\s*|no\.?\s*|#\s*)?({'|'.join(CARDINALS)})\b", re.IGNORECASE
)
LEAD = re.compile(
    r"^[\s\"'(\[{<]*(?:(?:the\s+)?(?:answer|option|choice)\s*(?:is|:)?\s*)?[(\[]?([A-Z])[\"')\]}>]*\s*[.):\-,]\s*(\S.*)$",
    re.DOTALL | re.IGNORECASE,
)

SPACED = re.compile(r"^\s*([B-HJ-Z])\s+(\S.*)$", re.DOTALL)


def read_letter(answer: str, options: Sequence[str] | None, count: int = 8) -> Reading:
    """The one letter that an answer names, by letter, by position, by the option's text or by its value.

    `options`: their texts; without them `count` letters are possible. More than one surviving letter is ambiguous,
    none is unparsed; nothing is guessed.
    """
    texts = list(options) if options else [""] * count
    chosen = chosen_letters(answer, texts)
    if len(chosen) == 1:
        return read(chosen.pop())
    return AMBIGUOUS if chosen else UNPARSED


def read_letters(answer: str, options: Sequence[str] | None, count: int = 8) -> Reading:
    """The set of letters that an answer names, as "A,C"."""
    texts = list(options) if options else [""] * count
    chosen = chosen_letters(answer, texts) or listed(answer, texts)
    return read(",".join(sorted(chosen))) if chosen else UNPARSED


def chosen_letters(answer: str, options: Sequence[str]) -> set[str]:
    """Every letter that survives; see the module's readers for what their number means."""
    text = plain(answer)
    bare = bare_letters(text, len(options))
    if bare is not None:
        return bare
    conflict = lettered_conflict(text, options)
    if conflict:
        return conflict
    equal = equal_options(text, options)
    if equal:
        return letters(equal)
    text = by_position(text, options)
    found = mentions(text, options)
    named = choose(found)
    if named:
        return named | contradicted(text, found, named, options)
    valued = numeric_options(text, options)
    if valued and all(read_number(option).value is not None for option in options):
        return letters(valued)  # "2 + 2 = 4" mentions the option 2 and means 4
    return letters(occurring_options(text, options) or valued)


def letters(indices: set[int]) -> set[str]:
    """{0, 2} → {"A", "C"}."""
    return {letter_of(i) for i in indices}


def lettered_conflict(text: str, options: Sequence[str]) -> set[str]:
    """Both letters when an answer gives one letter with another option's text; else nothing."""
    lead = LEAD.match(text) or SPACED.match(text)
    if lead is None or ord(lead[1].upper()) - ord("A") >= len(options):
        return set()
    meant = options_begun(lead[2], options)
    return meant | {lead[1].upper()} if meant and lead[1].upper() not in meant else set()


def contradicted(text: str, found: Sequence[Mention], named: set[str], options: Sequence[str]) -> set[str]:
    """The letters of other options whose text follows a named letter: "the answer is B (the text of A)"."""
    others: set[str] = set()
    for one in found:
        if one.letter in named and not one.rejected and re.match(r"[\"')\]]*\s*[.:,(\-]", text[one.end :]):
            meant = options_begun(text[one.end : one.end + 300], options)
            others |= meant if meant and one.letter not in meant else set()
    return others


def options_begun(text: str, options: Sequence[str]) -> set[str]:
    """Letters of the option whose text (the longest such) the normalised `text` begins with."""
    rest = normal(text)
    wanted = [normal(option) for option in options]
    begun = [i for i, option in enumerate(wanted) if option and re.match(rf"{re.escape(option)}(?!\w)", rest)]
    if not begun:
        return set()
    longest = max(begun, key=lambda i: len(wanted[i]))
    return letters({i for i in begun if wanted[i] == wanted[longest]})


def by_position(text: str, options: Sequence[str]) -> str:
    """ "The second option" and "option 2" become "option B", unless the options themselves talk like that."""
    if any(ORDINAL.search(o) or CARDINAL.search(o) for o in options):
        return text

    def ordinal(match: re.Match[str]) -> str:
        word = match[1].lower()
        index = len(options) - 1 if word == "last" else ORDINALS[word]
        return f"option {letter_of(index)}" if index < len(options) else match[0]

    def cardinal(match: re.Match[str]) -> str:
        index = CARDINALS[match[2].lower()]
        return f"option {letter_of(index)}" if index < len(options) else match[0]

    return CARDINAL.sub(cardinal, ORDINAL.sub(ordinal, text))


def listed(answer: str, options: Sequence[str]) -> set[str]:
    """Options given by their texts in a list, one a line or separated by commas."""
    parts = [part for part in re.split(r"[;\n,]|\band\b", plain(answer)) if normal(part)]
    found = [equal_options(part, options) for part in parts]
    return letters(set().union(*found)) if found and all(found) else set()

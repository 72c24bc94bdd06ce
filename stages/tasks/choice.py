"""Reads the chosen option or options of a multiple-choice answer as letters."""

import re
from collections.abc import Sequence

from strive.stages.tasks.letters import Mention, bare_letters, choose, mentions
from strive.stages.tasks.option_text import (
    equal_options,
    numeric_options,
    occurring_options,
    options_are_numbers,
    sequence_options,
    surest,
    yes_no_options,
)
from strive.stages.tasks.plain import REFUSAL, REFUSED, asserted, correction, normal, plain
from strive.stages.tasks.positions import by_label, by_position
from strive.stages.tasks.prompt import letter_of
from strive.stages.tasks.reading import UNPARSED, Reading, read

LEAD = re.compile(
    r"^[\s\"'(\[{<]*(?:(?:the\s+)?(?:answer|option|choice)\s*(?:is|:)?\s*)?[(\[]?([A-Z])[\"')\]}>]*\s*[.):\-,(]\s*(\S.*)$",
    re.DOTALL | re.IGNORECASE,
)
TRAIL = re.compile(
    r"^([^\n]{1,200}?)\s*(?:[(\[]|[=-]>|→)\s*(?:option\s+|choice\s+)?([A-Z])\s*[)\]]?\W*$", re.IGNORECASE
)
SET_OFF = re.compile(r"^([^\n]{1,200}?)\s*(?::|,|\s-)\s*([A-Z])[.!\s]*$")
DOUBT = re.compile(r"\b(?:not|never|no|wrong|false|incorrect|neither|nor|cannot|\w+n't)\b", re.IGNORECASE)
LETTER_NAMES = re.compile(r"\([a-zA-Z]\)\W*\([a-zA-Z]\)")
DANGLING = re.compile(
    r"\b(?:and|or|then|the|an?|of|to|at|in|on|is|are|was|were|but|so|because|with|which|that|this|from)\s*$",
    re.IGNORECASE,
)
ANNOUNCED = re.compile(
    r"\b(?:go(?:ing)? through|compar(?:e|ing)|consider(?:ing)?|look(?:ing)? at|evaluat(?:e|ing)|examin(?:e|ing)|"
    r"analy[sz](?:e|ing)|check(?:ing)?)\b[^.:\n]*\b(?:options?|choices?)\b[^.:\n]*[.:]",
    re.IGNORECASE,
)
SPACED = re.compile(r"^\s*([B-HJ-Z])\s+(\S.*)$", re.DOTALL)
TEXT_FOLLOWS = re.compile(r"[\"')\]]*\s*[.:,(\-]")


def read_letter(
    answer: str, options: Sequence[str] | None, count: int = 8, question: str = "", labels: Sequence[str] = ()
) -> Reading:
    """The one letter that an answer names, by letter, by position, by the option's text or by its value.

    `options`: their texts; without them `count` letters are possible. `labels`: what the question calls them where
    that is not a letter ("Option 1", "Sentence A"). More than one surviving letter is ambiguous, none is unparsed;
    nothing is guessed.
    """
    texts = list(options) if options else [""] * count
    chosen, rule = chosen_letters(answer, texts, question, labels)
    if len(chosen) == 1:
        return read(chosen.pop(), rule)
    return Reading("ambiguous", rule=rule) if chosen else UNPARSED


def read_letters(answer: str, options: Sequence[str] | None, count: int = 8) -> Reading:
    """The set of letters that an answer names, as "A,C"."""
    texts = list(options) if options else [""] * count
    chosen, rule = chosen_letters(answer, texts)
    if not chosen:
        chosen, rule = listed(answer, texts), "option texts"
    return read(",".join(sorted(chosen)), rule) if chosen else UNPARSED


def chosen_letters(
    answer: str, options: Sequence[str], question: str = "", labels: Sequence[str] = ()
) -> tuple[set[str], str]:
    """Every letter that survives, and the rule that found them; see the readers for what their number means."""
    text = plain(answer)
    bare = bare_letters(text, len(options))
    if bare is not None:
        return bare, "letter alone"
    if any(LETTER_NAMES.search(option) for option in options):  # options such as "(b)(a)(c)" are no letters
        said = equal_options(text, options) or occurring_options(text, options)
        if said:
            return letters(said), "option text"
    revised = correction(text)
    if revised:
        chosen, rule = chosen_letters(revised, options, question, labels)
        if chosen:
            return chosen, f"after a correction, {rule}"
    if labels:
        text = by_label(text, labels, options)
        bare = bare_letters(text, len(options))
        if bare is not None:
            return bare, "option named"
    ending = set_off(text, options)
    if ending:
        return ending, "a letter set off at the end"
    conflict = lettered_conflict(text, options)
    if conflict:
        return conflict, "a letter with another option's text"
    equal = equal_options(text, options) or sequence_options(text, options)
    if equal:
        return letters(equal), "option text"
    text = by_position(text, options)
    found = mentions(text, options)
    named, rule = choose(found)
    if named and not (rule in ("marked letter", "joined letters") and REFUSAL.search(text)):
        return named | contradicted(text, found, named, options), rule
    return by_content(text, options, question)


def by_content(text: str, options: Sequence[str], question: str) -> tuple[set[str], str]:
    """The letters of the options that a text without letters names by what they say."""
    if ANNOUNCED.search(text) or (DANGLING.search(text) and not equal_options(text, options)):
        return set(), ""  # a walk through the options, or a sentence, that was not finished
    claims = text if any(REFUSED.search(option) for option in options) else asserted(text)
    valued = numeric_options(claims, options, question)
    numbers = options_are_numbers(options)
    if numbers and len(valued) < 2:
        return letters(valued), "value of an option"  # "2 + 2 = 4" mentions the option 2 and means 4
    said = surest(text, yes_no_options(text, options) | occurring_options(claims, options), options)
    said = said & valued if numbers else said
    return (letters(said), "option text in a sentence") if said else (letters(valued), "value of an option")


def letters(indices: set[int]) -> set[str]:
    """{0, 2} → {"A", "C"}."""
    return {letter_of(i) for i in indices}


def lettered_conflict(text: str, options: Sequence[str]) -> set[str]:
    """Both letters when an answer gives one letter with another option's text; else nothing."""
    trail = TRAIL.match(text)
    if trail and ord(trail[2].upper()) - ord("A") < len(options):
        meant, _ = by_content(trail[1], options, "")
        return meant | {trail[2].upper()} if meant and trail[2].upper() not in meant else set()
    lead = LEAD.match(text) or SPACED.match(text)
    if lead is None or ord(lead[1].upper()) - ord("A") >= len(options):
        return set()
    meant = options_begun(lead[2], options)
    return meant | {lead[1].upper()} if meant and lead[1].upper() not in meant else set()


def set_off(text: str, options: Sequence[str]) -> set[str]:
    """The letter that ends "the car is faster: A" where the text before it, which denies nothing, says that option;
    both letters where it says another option; else nothing."""
    found = SET_OFF.match(text)
    if found is None or ord(found[2]) - ord("A") >= len(options) or DOUBT.search(found[1]):
        return set()
    meant, _ = by_content(found[1], options, "")
    return {found[2]} if found[2] in meant else meant and meant | {found[2]}


def contradicted(text: str, found: Sequence[Mention], named: set[str], options: Sequence[str]) -> set[str]:
    """The letters of other options whose text follows a named letter: "the answer is B (the text of A)"."""
    others: set[str] = set()
    for one in found:
        if one.letter in named and not one.rejected and TEXT_FOLLOWS.match(text, one.end):
            meant = options_begun(text[one.end : one.end + 300], options)
            others |= meant if meant and one.letter not in meant else set()
    return others


def options_begun(text: str, options: Sequence[str]) -> set[str]:
    """Letters of the option whose text (the longest such) the normalised `text` begins with."""
    rest = normal(text)
    wanted = [normal(option) for option in options]
    begun = [i for i, option in enumerate(wanted) if option and begins(rest, option)]
    if not begun:
        return set()
    longest = max(begun, key=lambda i: len(wanted[i]))
    return letters({i for i in begun if wanted[i] == wanted[longest]})


def begins(rest: str, option: str) -> bool:
    """`rest` starts with the option's words."""
    return rest.startswith(option) and not rest[len(option) : len(option) + 1].isalnum()


def listed(answer: str, options: Sequence[str]) -> set[str]:
    """Options given by their texts in a list, one a line or separated by commas."""
    parts = [part for part in re.split(r"[;\n,]|\band\b", plain(answer)) if normal(part)]
    found = [equal_options(part, options) for part in parts]
    return letters(set().union(*found)) if found and all(found) else set()

"""The question and its options, out of a prompt that a harness logged."""

import re
from collections.abc import Sequence

OPTION = re.compile(r"^\s*(?:\(([A-Z])\)\s*|([A-Z])[.:]\s+)(\S.*)$")
HEAD = re.compile(
    r"^\s*(?:These are (?:the )?frames of a video\.|You should watch and learn the video content\..*"
    r"|Select the best answer to the following multiple-choice question\b.*)\s*$"
)
END = re.compile(r"^\s*(?:Options?:|Visual Information:.*)\s*$")
QUESTION = re.compile(r"^\s*Question:\s*")


def taken_apart(prompt: str) -> tuple[str, list[str]]:
    """The question without the harness's words around it, and its options without letters, [] where there are none.

    Options are the last lines lettered A, B, … in order; a line between two of them belongs to the one before. What
    follows the last option is the harness's ending.
    """
    lines = prompt.strip("\n").split("\n")
    places = option_places(lines)
    if not places:
        return spoken(lines), []
    ends = [*places[1:], places[-1] + 1]
    options = ["\n".join(lines[place:end]) for place, end in zip(places, ends, strict=True)]
    return spoken(lines[: places[0]]), [without_letter(option) for option in options]


def option_places(lines: Sequence[str]) -> list[int]:
    """Where A, B, … stand: the last line "A. …" that a line "B. …" follows, and on from there; [] for none."""
    letters = {place: match[1] or match[2] for place, line in enumerate(lines) if (match := OPTION.match(line))}
    for start in reversed([place for place, name in letters.items() if name == "A"]):
        found = [start]
        for place, name in letters.items():
            if place > found[-1] and name == letter(len(found)):
                found.append(place)
        if len(found) > 1:
            return found
    return []


def without_letter(option: str) -> str:
    """The text after the letter, further lines included."""
    first, mark, more = option.partition("\n")
    match = OPTION.match(first)
    return ((match[3] if match else first) + mark + more).strip()


def letter(place: int) -> str:
    """0 → "A"."""
    return chr(ord("A") + place)


def spoken(lines: Sequence[str]) -> str:
    """The question: from the last head on, up to what the harness says next."""
    start = max((place + 1 for place, line in enumerate(lines) if HEAD.match(line)), default=0)
    kept = list(lines[start:])
    end = next((place for place, line in enumerate(kept) if END.match(line)), len(kept))
    return QUESTION.sub("", "\n".join(kept[:end]).strip())

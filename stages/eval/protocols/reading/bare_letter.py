"""lmms-eval's reading of a choice in MVBench: "X. text", else the first letter alone once punctuation is gone."""

import re

LABELLED = re.compile(r"([A-E])\.\s*(.+)$", re.IGNORECASE)
ALONE = re.compile(r"\b([A-E])\b", re.IGNORECASE)
GROUPED = re.compile(r"\d,\d")
FULL_STOP = re.compile(r"\.(?!\d)")
MARKS = tuple(';/[]"{}()=+\\_-><@`,?!')
MOST_STOPS = 32  # full stops removed, from the front: the harness passes a flag where a count belongs


def bare_letter(text: str) -> str | None:
    """The letter A–E in either case, None if there is none; "a man" is A."""
    labelled = LABELLED.match(text.strip())
    if labelled:
        return labelled[1].upper()
    found = ALONE.search(unpunctuated(text.replace("\n", " ").replace("\t", " ").strip()).lower())
    return found[1].upper() if found else None


def unpunctuated(text: str) -> str:
    """Marks removed where one stands beside a space or digits are grouped by commas, else replaced by a space."""
    grouped, cleaned = GROUPED.search(text) is not None, text
    for mark in MARKS:
        if mark in text:
            beside_space = f"{mark} " in text or f" {mark}" in text
            cleaned = cleaned.replace(mark, "" if beside_space or grouped else " ")
    return FULL_STOP.sub("", cleaned, count=MOST_STOPS)

"""Reads the gold answers of Video-MMMU's open questions."""

import re

NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?")


def open_gold(answer: str) -> tuple[str, str]:
    """(question type, answer): a number where the gold is one, thousands separators dropped, else a text.

    One published gold is a broken list, "['24/7', '3.429', '3.43]": its decimals are the same value at different
    precision, and the coarsest of them is taken, which the others are equal to when rounded.
    """
    text = answer.strip()
    if text.startswith("["):
        parts = [part.strip(" '\"[]") for part in text.split(",")]
        decimals = [part for part in parts if is_number(part)]
        if decimals:
            return "numerical", min(decimals, key=len)
    return ("numerical", text.replace(",", "")) if is_number(text) else ("open", text)


def is_number(text: str) -> bool:
    """Digits, with thousands separators, decimals or an exponent."""
    return any(letter.isdigit() for letter in text) and NUMBER.fullmatch(text) is not None

"""Where VLMEvalKit's spatial benchmarks look for an answer: a text without invisible characters, and its end."""

import re

INVISIBLE = re.compile("[\u200b\u200c\u200d\ufeff]")
CLOSED = re.compile(r"</\s*think\s*>", re.IGNORECASE)
OPENED = re.compile(r"<\s*think\s*>", re.IGNORECASE)


def visible(text: str) -> str:
    """The stripped text without zero-width characters."""
    return INVISIBLE.sub("", text.strip())


def after_thought(text: str) -> str:
    """What follows the last closing tag, else the last opening one, stripped; the text itself without either."""
    if "<" not in text:
        return text
    for tag in (CLOSED, OPENED):
        ends = [match.end() for match in tag.finditer(text)]
        if ends:
            return text[ends[-1]:].strip()
    return text

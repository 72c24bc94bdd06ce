"""Options that stand inside a question's text, a line each."""

import re

from strive.stages.tasks.sample_rows import RowError

LETTERED = re.compile(r"^\s*\(?([A-Z])[.):]\s*(.+?)\s*$")
LABELLED = re.compile(r"^\s*((?:Option|Sentence|Caption|Description|Statement|Choice)\s+(?:\d+|[A-Z]))\s*:\s*(.+?)\s*$",
                      re.IGNORECASE)


def split_options(text: str) -> tuple[str, list[str]]:
    """The question and its options "A. …", "B. …" without letters. Raises `RowError` without two of them."""
    lines = text.splitlines()
    found = [LETTERED.match(line) for line in lines]
    options = [match[2] for match in found if match]
    letters = "".join(match[1] for match in found if match)
    if len(options) < 2 or letters != "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(options)]:
        raise RowError(f"no options in the question {text!r}"[:300], 'lines "A. …", "B. …"')
    return "\n".join(line for line, match in zip(lines, found, strict=True) if not match).strip(), options


def labelled_lines(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The question, and (label, text) of its lines "Option 1: …", "Sentence A: …". Raises `RowError` without two."""
    lines = text.splitlines()
    found = [LABELLED.match(line) for line in lines]
    options = [(match[1], match[2]) for match in found if match]
    if len(options) < 2:
        raise RowError(f"no captions in the question {text!r}"[:300], 'lines "Option 1: …", "Sentence A: …"')
    return "\n".join(line for line, match in zip(lines, found, strict=True) if not match).strip(), options

"""The first of the letters A to D anywhere in a text, as Video-MME's authors and VLMEvalKit look for it."""

import re

DELETED = (
    "The best answer is", "The correct answer is", "The answer is", "The answer",
    "The best option isThe correct option is",  # two phrases that a missing comma made one, so that neither is deleted
    "Best answer:Best option:", "Answer:", "Option:",
)
LETTER = re.compile("[ABCD]")


def first_letter(text: str) -> str | None:
    """The first capital A, B, C or D, inside words too, after the known phrases were deleted; None without one."""
    rest = text.strip()
    for phrase in DELETED:
        rest = rest.replace(phrase, "")
    found = LETTER.search(rest)
    return found[0] if found else None

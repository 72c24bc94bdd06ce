"""VLMEvalKit's option out of a reply without a judge: a lone letter, else the one option whose text occurs."""

from collections.abc import Mapping

REFUSALS = (
    "Sorry, I can't help with images of people yet.", "I can't process this file.",
    "I'm sorry, but without the image provided", "Cannot determine the answer",
)
FAILED = "Failed to obtain answer via API"
MARKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
NONE = "Z"
"""VLMEvalKit's letter for no answer."""


def can_infer(reply: str, options: Mapping[str, str]) -> str | None:
    """The letter of an option (letter → text), `NONE` for a refusal, None when nothing can be told."""
    return lone_letter(reply, options) or by_text(reply, options)


def lone_letter(reply: str, options: Mapping[str, str]) -> str | None:
    """The only letter that is a word of the reply, provided that it first stands among the last four."""
    if FAILED in reply:
        return None
    if any(refusal in reply for refusal in REFUSALS):
        return NONE
    words = reply.translate(MARKS).split()
    found = [letter for letter in options if letter in words]
    if len(found) == 1:
        return found[0] if words.index(found[0]) > len(words) - 5 else None
    return NONE if not found and NONE in words else None


def by_text(reply: str, options: Mapping[str, str]) -> str | None:
    """The only option whose text occurs, in a reply of at most twice the length of all options."""
    lower = reply.lower()
    if len(lower) > 2 * sum(len(text) for text in options.values()):
        return None
    found = [letter for letter, text in options.items() if text.lower() in lower]
    return found[0] if len(found) == 1 else None

"""VSI-Bench's own reading: everything before the first space, without full stops at its end."""


def first_word(text: str) -> str:
    """The first word; "" for a text that starts with a space, because nothing is stripped before."""
    return text.split(" ", 1)[0].rstrip(".").strip()

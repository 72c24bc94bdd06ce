"""The content of the first `<answer>`, in time that grows with the reply and no faster."""

OPENING, CLOSING = "<answer>", "</answer>"


def first_answer(text: str) -> str:
    """The stripped content of the first `<answer>…</answer>`; the whole text where there is none or it is empty."""
    start = text.find(OPENING)
    end = text.find(CLOSING, start + len(OPENING)) if start >= 0 else -1
    return (text[start + len(OPENING) : end].strip() if end >= 0 else "") or text

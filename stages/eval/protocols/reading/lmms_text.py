"""What lmms-eval scores: the reply without its closed thoughts, stripped. Its tasks' own rules come after."""

BLOCKS = (("<think>", "</think>"), ("<analysis>", "</analysis>"))


def scored_text(text: str) -> str:
    """The text that reaches a task of lmms-eval run with its default `--reasoning_tags`."""
    for opening, closing in BLOCKS:
        if closing in text:
            text = without_blocks(text, opening, closing)
    return text.strip()


def without_blocks(text: str, opening: str, closing: str) -> str:
    """The text without what stands between the two tags, case as written.

    A thought that never closes stays. Where a closing tag stands alone (the template opened the thought), only what
    follows the last one stays.
    """
    start = text.find(opening)
    while start >= 0:
        end = text.find(closing, start)
        if end < 0:
            return text
        text = text[:start] + text[end + len(closing):]
        start = text.find(opening)
    return text.rpartition(closing)[2]

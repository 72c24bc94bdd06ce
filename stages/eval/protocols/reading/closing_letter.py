"""VLMEvalKit's reading of a choice in its spatial benchmarks: tags first, then the last lines from the bottom up."""

import re

from strive.stages.eval.protocols.reading.after_thought import after_thought, visible

TAGGED = re.compile(r"<\s*answer\b[^>]*>\s*([A-J]).*?<\s*/\s*answer\s*>", re.IGNORECASE | re.DOTALL)
BEFORE_TAG = tuple(
    re.compile(rf"(?<![A-Za-z])([A-F])\s*[)\]}}）】]?\s*</\s*{tag}\s*>", re.IGNORECASE) for tag in ("answer", "think")
)
RESTATED = re.compile(r"[*_>\-\s]*(?:option|选项)\s+[A-J]\s*[:：]", re.IGNORECASE)
ALONE = re.compile(r"[*_`>（）\[\]【】()]*\s*([A-Fa-f])\s*[*_`（）\[\]【】()]*")
LABELLED = re.compile(r"([A-F])\s*[.．:：)\]】、-]\s", re.IGNORECASE)
INLINE = re.compile(r"(?<![A-Za-z])([A-F])[*_`）\]})]*(?=$|[\s.,:;!?)\]】》」』，。；、：）])")
STATED = re.compile(
    r"(?:answer(?:\s*is)?|答案|结论|所以|因此|选择?)\s*[:：>＝=]?\s*[(\[{（【]?\s*([A-F])\b", re.IGNORECASE
)
STANDING = re.compile(r"(?<![A-Za-z])([A-F])(?![A-Za-z])")
LINES, WINDOW = 6, 800  # how much of the end is looked at: lines, characters


def closing_letter(text: str) -> str | None:
    """The letter A-F (A-J in an `<answer>`) that a reply ends with, None if none of the ways of reading finds one."""
    seen = visible(text)
    return (in_tags(seen) if "<" in seen else None) or in_last_lines(seen) or stated(seen) or only_one(seen)


def in_tags(text: str) -> str | None:
    """The head of an `<answer>`, else the letter right before a closing tag near the end."""
    found = TAGGED.search(text)
    for pattern in BEFORE_TAG:
        found = found or pattern.search(text[-WINDOW:])
    return found[1].upper() if found else None


def in_last_lines(text: str) -> str | None:
    """Read from the last line up, first after the thought, then anywhere near the end."""
    tail, window = after_thought(text), text[-WINDOW:]
    return upwards(tail) or (upwards(window) if window != tail else None)


def upwards(text: str) -> str | None:
    """The first of the last lines, from the bottom, that is, starts with, or alone names a letter."""
    for line in reversed(text.splitlines()[-LINES:]):
        stripped = line.strip()
        if not stripped or RESTATED.match(stripped):
            continue
        found = ALONE.fullmatch(stripped) or LABELLED.match(stripped)
        named = {found[1].upper()} if found else set(INLINE.findall(stripped))
        if len(named) == 1:
            return named.pop()
    return None


def stated(text: str) -> str | None:
    """The first letter after "answer is" and the like, in either case."""
    found = STATED.search(text)
    return found[1].upper() if found else None


def only_one(text: str) -> str | None:
    """The only capital letter that stands alone anywhere, lines that restate an option left out."""
    lines = (line for line in text.splitlines() if not RESTATED.match(line))
    named = {letter for line in lines for letter in STANDING.findall(line)}
    return named.pop() if len(named) == 1 else None

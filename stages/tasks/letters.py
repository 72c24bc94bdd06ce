"""Reads which option letters an answer names, as a person would: cues, negations, verdicts, restated lists."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from strive.stages.tasks import cues
from strive.stages.tasks.plain import normal
from strive.stages.tasks.prompt import letter_of

Strength = Literal["none", "mark", "lead", "verdict", "statement"]

WORD = "A-Za-z0-9_À-ɏ"
AFTER_ARTICLE = re.compile(  # what may follow "A" or "I" for it to be a letter, not an article or a pronoun
    r"^\s*(?:$|[^\w\s]|\n|(?:because|since|as|and|or|but|is|was|are|isn't|would|seems|looks|which|where|if|then|also|"
    r"not|matches|fits|describes|does|doesn't|cannot|can't|must|should)\b(?!\s+(?:man|woman|person|dog|boy|girl)\b))|^[一-鿿]",
)
BOUNDARY = re.compile(r"[.!?;]+(?=\s|$)|\n|,(?=\s)|\(|\)")
SENTENCE = re.compile(r"[.!;]+(?=\s|$)|\n|[?]")
JOIN = re.compile(
    r"^[\"')\]}]*(?:\s*,?\s*(?:or|and|nor|&|/|oder|und|或|和|->|→|=>)\s*|\s*,\s*|\s*/\s*)(?:(?:maybe|perhaps|possibly|even|also)\s+)?(?:option\s+|choice\s+)?[\"'(\[{]*$",
    re.IGNORECASE,
)
HARD_JOIN = re.compile(r"(?:or|and|&|/|oder|und|或|和|->|→|=>)", re.IGNORECASE)
SET_OFF = re.compile(r"\s*(?:$|[^\w\s])")
START = re.compile(r"(?:^|\n)[\s\"'>\-]*$")
WORDS = re.compile(r"[A-Za-z]{4}")  # longer than "and", which may stand between letters
WEAK: tuple[Strength, ...] = ("none", "mark", "lead")
LONGEST_CLAUSE = 200  # characters looked at on either side of a letter


@lru_cache(26)
def mention_of(count: int) -> re.Pattern[str]:
    """A letter of `count` options, in brackets or standing alone."""
    letter = f"[A-{letter_of(count - 1)}a-{letter_of(count - 1).lower()}]"
    return re.compile(
        rf"(?<![{WORD}])[(\[{{<\"']\s*(?P<bracketed>{letter})\s*[.)]?[)\]}}>\"'](?![{WORD}])"
        rf"|(?<![{WORD}'&/.\-])(?P<alone>{letter})(?![{WORD}'&]|\+\+|#|-\w|\.[A-Za-z])"
    )


@dataclass
class Mention:
    """One place where a letter is named."""

    letter: str
    start: int
    end: int
    bracketed: bool
    strength: Strength = "none"
    rejected: bool = False
    asked: bool = False  # in a question
    joined: bool = False  # "A or B", "A and B"


def mentions(text: str, options: Sequence[str]) -> list[Mention]:
    """Every letter that `text` (plain) names among `options`, in order, with what is said of it."""
    hits = mention_of(len(options)).finditer(text) if options else ()
    found = [one for hit in hits if is_letter(text, one := mention_at(hit))]
    for one in found:
        judge(text, one, options[letter_index(one)])
    join(text, found)
    drop_restated(text, found, options)
    return found


def mention_at(hit: re.Match[str]) -> Mention:
    """The mention that a match of `mention_of` stands for; `letter` keeps its case until `judge`."""
    bracketed = hit.group("bracketed") is not None
    return Mention(hit.group("bracketed") or hit.group("alone"), hit.start(), hit.end(), bracketed)


def letter_index(one: Mention) -> int:
    """0 for A."""
    return ord(one.letter.upper()) - ord("A")


def is_letter(text: str, one: Mention) -> bool:
    """False for the article "A", the pronoun "I" and lower-case letters that nothing announces."""
    right = text[one.end : one.end + LONGEST_CLAUSE]
    if one.letter.islower() and not one.bracketed:
        if not SET_OFF.match(right):
            return False
        announced = cues.AFFIRM_LEFT.search(clause_before(text, one.start)) or cues.MARK_LEFT.search(
            text[max(0, one.start - 40) : one.start]
        )
        return bool(announced)
    if one.letter in "AI" and not one.bracketed and not cues.MARK_LEFT.search(text[max(0, one.start - 40) : one.start]):
        return AFTER_ARTICLE.match(right) is not None
    return True


def clause_before(text: str, position: int, across_comma: bool = True) -> str:
    """The text left of `position`, back to the last clause boundary; a comma just before it may belong ("So, B")."""
    start = max(0, position - LONGEST_CLAUSE)
    for boundary in BOUNDARY.finditer(text, start, position):
        if not across_comma or text[boundary.end() : position].strip(" \"'") or boundary.group() not in (",", "("):
            start = boundary.end()
    return text[start:position].rstrip("(")


def judge(text: str, one: Mention, option: str) -> None:
    """Fill in what the words around the mention say of it."""
    one.letter = one.letter.upper()
    left, right = (
        clause_before(text, one.start, across_comma=False),
        text[one.end : one.end + LONGEST_CLAUSE + len(option)],
    )
    beyond = after_option(right, option)
    ending = SENTENCE.search(text, one.end)
    one.asked = ending is not None and ending.group() == "?"
    if one.asked and ending and cues.ANSWERED_YES.match(text[ending.end() : ending.end() + 20]):
        one.asked, one.strength = False, "verdict"
    elif cues.ALL_BUT.search(left) and cues.REJECT_RIGHT.match(right):
        one.strength = "verdict"  # "all but B are wrong"
    elif is_rejected(text, one, left, right, beyond):
        one.rejected = True
    elif (said := cues.AFFIRM_LEFT.search(clause_before(text, one.start))) or is_last_sentence(text, one):
        one.strength = "mark" if said and cues.HEDGE.search(said.group()) else "statement"
    elif any(cues.AFFIRM_RIGHT.match(rest) for rest in (right, beyond)) or cues.VERDICT_RIGHT.match(beyond):
        one.strength = "verdict"
    elif is_marked(text, one):
        one.strength = "mark" if text[: min(one.start, 40)].strip("\"'([{<> ") else "lead"


def is_rejected(text: str, one: Mention, left: str, right: str, beyond: str) -> bool:
    """The words before or after the letter deny it."""
    if cues.REJECT_LEFT.search(left) or cues.REJECT_CLAUSE.search(left):
        return True
    if cues.REJECT_LIST.search(text[max(0, one.start - LONGEST_CLAUSE) : one.start]):
        return True
    after = cues.REJECT_RIGHT.match(right) or cues.REJECT_RIGHT.match(beyond) or cues.VERDICT_WRONG.match(beyond)
    return after is not None and not denies_other(right)


def denies_other(right: str) -> bool:
    """ "B, not C" and "B not C" deny C, not B."""
    other = r"[\"')\].,;:\s]*(?:\bnot\b|而?不是|而非|不选)\s*(?:\(|option\s+|choice\s+)?[A-Z]\b"
    return re.match(other, right) is not None


def after_option(right: str, option: str) -> str:
    """`right` beyond the option's own text when that is repeated after the letter."""
    lead = re.match(r"[\"')\]}.:,;\-\s]*", right)
    begin = lead.end() if lead else 0
    option = option.rstrip(".!?")
    if option and right[begin : begin + len(option)].lower() == option.lower():
        return right[begin + len(option) :]
    return right


def is_last_sentence(text: str, one: Mention) -> bool:
    """The letter is all that stands on the last line or in the last sentence."""
    before = re.search(r"(?:^|\n|[.!?;]\s)\s*[\"'(\[{<]*$", text[max(0, one.start - 40) : one.start]) is not None
    return before and re.fullmatch(r"[\s\"')\]}>.:!]*", text[one.end : one.end + 200]) is not None


def is_marked(text: str, one: Mention) -> bool:
    """Bracketed, called an option, first on its line and set off, or last after "is"."""
    left, right = text[max(0, one.start - 40) : one.start], text[one.end : one.end + 40]
    if one.bracketed or cues.MARK_LEFT.search(left):
        return True
    if START.search(left):
        return (
            re.match(
                r"\s*(?:$|[.):,;\-\n]|(?:because|since|as|is(?! for)|rather than|instead of|over|due to|by elimination|"
                r"for sure|definitely|it is)\b|[A-Z\"'(])", right
            )
            is not None
        )
    return bool(cues.END_LEFT.search(left)) and re.match(r"[\s.!\"')\]]*$", right) is not None


def join(text: str, found: list[Mention]) -> None:
    """Letters joined by or / and / commas share a rejection, and are alternatives otherwise."""
    passed_on: set[int] = set()  # mentions that got their rejection from the right: "A, B and C are wrong"
    for before, after in reversed(list(zip(found, found[1:], strict=False))):
        gap = text[before.end : after.start]
        if not JOIN.match(gap) or before.letter == after.letter or before.rejected or not after.rejected:
            continue
        if before.strength in WEAK and (HARD_JOIN.search(gap) or after.start in passed_on):
            before.rejected = True
            passed_on.add(before.start)
    for before, after in zip(found, found[1:], strict=False):
        gap = text[before.end : after.start]
        if not JOIN.match(gap) or before.letter == after.letter:
            continue
        if before.rejected and after.strength in WEAK:
            after.rejected = True
        elif not before.rejected and not after.rejected and (HARD_JOIN.search(gap) or after.strength in WEAK):
            before.joined = after.joined = True


def drop_restated(text: str, found: list[Mention], options: Sequence[str]) -> None:
    """A list of options that is repeated, or gone through one by one, names none of them."""
    weak = [m for m in found if m.strength in WEAK and not m.rejected]
    listed = [m for m in weak if repeats(text, m, options[letter_index(m)]) or heads_entry(text, m)]
    if len({m.letter for m in listed}) > 1:
        for one in listed:
            one.strength = "none"


def repeats(text: str, one: Mention, option: str) -> bool:
    """The option's text, or the beginning of it up to the line's end, follows its letter."""
    line = normal(text[one.end : one.end + len(option) + LONGEST_CLAUSE].partition("\n")[0])
    wanted = normal(option)
    return bool(wanted) and bool(line) and (line.startswith(wanted) or wanted.startswith(line))


def heads_entry(text: str, one: Mention) -> bool:
    """The letter stands at the head of a sentence or line, set off by a colon, bracket or dot: "B: …"."""
    if re.match(r"\s?[:=(]\s*\d", text[one.end : one.end + 40]):
        return True  # weights: "A: 10%, B: 70%"
    before = re.search(r"(?:^|\n|[.!;]\s)[\s\"'>*\-\d.(]*$", text[max(0, one.start - 40) : one.start]) is not None
    return before and re.match(r"\s?[.:)]\s+\S", text[one.end : one.end + 40]) is not None


RULES: dict[Strength, str] = {"verdict": "verdict on a letter", "lead": "leading letter", "mark": "marked letter"}


def choose(found: Sequence[Mention]) -> tuple[set[str], str]:
    """The letters that stand, and why: the last statement, else verdicts, else the leading letter, else marks.

    Joined letters ("A or B") stand together.
    """
    standing = [m for m in found if not m.rejected and not m.asked]
    statements = [m for m in standing if m.strength == "statement"]
    if statements:
        last = statements[-1]
        later = {m.letter for m in standing if m.strength == "verdict" and m.start > last.end}
        return group_of(last, standing) | later, "last statement"
    for strength, rule in RULES.items():
        chosen = [m for m in standing if m.strength == strength]
        if chosen:
            return set().union(*(group_of(m, standing) for m in chosen)), rule
    return {m.letter for m in standing if m.joined}, "joined letters"


def group_of(one: Mention, standing: Sequence[Mention]) -> set[str]:
    """The letter and those joined to it without a gap in the chain."""
    if not one.joined:
        return {one.letter}
    position = list(standing).index(one)
    group = {one.letter}
    for step in (1, -1):
        k = position + step
        while 0 <= k < len(standing) and standing[k].joined:
            group.add(standing[k].letter)
            k += step
    return group


def bare_letters(text: str, count: int) -> set[str] | None:
    """The letters of a text that is nothing but letters ("b", "(B).", "A, C", "AC"), None for anything else."""
    body = re.sub(
        r"^(?:(?:the|final|correct|answer|option|choice|letter)s?\b\s*[:=\-]?\s*|[✅✔☑]\ufe0f?\s*"
        r"|(?:assistant|output|result|prediction|response|solution|reply|next)\s*:\s*)+",
        "",
        text.strip(),
        flags=re.IGNORECASE,
    )
    body = body.strip(" \t\n\"'.:;,!?()[]{}<>-👉👈✅✔☑\ufe0f")
    if WORDS.search(body) and not re.fullmatch(r"[A-Z]{2,}", body):
        return None
    parts = (
        re.split(r"\s*(?:[,;/&\s]|\+(?=\s*\w)|\band\b|\bor\b|和|或|、)\s*", body)
        if not re.fullmatch(r"[A-Z]{2,}", body)
        else list(body)
    )
    letters = [part.strip("\"'.()[]{}:").upper() for part in parts if part.strip("\"'.()[]{}:")]
    known = {letter_of(i) for i in range(count)}
    return set(letters) if letters and all(len(x) == 1 and x in known for x in letters) else None

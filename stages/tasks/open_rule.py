"""Free answers without a judge: equal after normalisation to the gold answer or an alternative, or equal in value.

Nothing is accepted because it is part of the gold answer or holds it: "zoom" is no "dolly zoom".
"""

import re
from collections.abc import Iterator

from strive.stages.tasks.choice import read_letter
from strive.stages.tasks.letters import mentions
from strive.stages.tasks.number_words import Number
from strive.stages.tasks.numbers import close, decide, stated_numbers
from strive.stages.tasks.option_text import lead_in
from strive.stages.tasks.plain import asserted, normal, plain
from strive.stages.tasks.reading import UNPARSED, Reading, read
from strive.stages.tasks.values import find_numbers

STATEMENT = re.compile(
    r".*\b(?:answer|result|conclusion)[\"']?\s*(?:\w+\s+){0,4}?(?:is|was|would be|should be|:|=)[:\s]*",
    re.IGNORECASE | re.DOTALL,
)
COMPLEMENT = re.compile(
    r".*(?:\b(?:is|are|was|were|be)|'s)\s+(?:(?:called|"
    r"known as|named|termed|referred to as|used|shown|seen|most likely|"
    r"probably|likely|clearly|an? example of|a type of)\s+)*(?!not\b)"
    r"|.*\b(?:shows?|depicts?|demonstrates?|illustrates?|represents?|uses?)\s+", re.IGNORECASE | re.DOTALL,
)
DENIAL = re.compile(
    r"\b(?:not|never|no|neither|nor|isn't|aren't|wasn't|doesn't|don't|cannot|can't|without)\b", re.IGNORECASE
)
EITHER = re.compile(r"\b(?:or|either|and/or)\b", re.IGNORECASE)
TAIL = re.compile(
    r"(?:,\s*not\s|\s+(?:because|since|as it|which|rather than|instead of|, not)\s).*$",
    re.IGNORECASE | re.DOTALL,
)
POINTED = re.compile(
    r"^\W*(?:arrow|point|label(?:led)?|region|structure|bond|position|line|curve)\s+\(?([a-z])\)?\W*$", re.IGNORECASE
)
SIGNS = re.compile(r"[+<>]|(?<![A-Za-z\d])-(?=[\w(])|(?<=\d)-|(?<=[A-Za-z)])-(?![A-Za-z])")
BRACKET = re.compile(r"(?:\s+|(?<=[a-z]{3}))\(([^()]+)\)\s*")
MAX_CLAIM = 300  # characters: a longer text is no short answer
SPELLING = {"centre": "center", "colour": "color", "grey": "gray", "behaviour": "behavior", "fibre": "fiber",
            "meters": "meter", "metres": "meter", "metre": "meter", "moles": "mole"}


def read_claim(text: str) -> Reading:
    """What the reply claims: the text itself, or what follows its last "the answer is", up to the line's end."""
    claim = plain(text)
    stated = STATEMENT.match(claim)
    if stated and normal(claim[stated.end() :]):
        claim, rule = claim[stated.end() :], "last statement"
    else:
        rule = "whole text"
    claim = claim.strip().partition("\n")[0].strip(" \"'`")
    if not normal(claim):
        return UNPARSED
    numbers, _ = stated_numbers(claim)
    if EITHER.search(claim) and decide(numbers).status == "ambiguous":
        return Reading("ambiguous", rule="several numbers")
    return read(claim, rule)


def same_claim(given: str, gold: str) -> float:
    """1 if the claim equals the gold answer or one of its alternatives, as words, as a value, or as a letter."""
    wanted = list(alternatives(gold))
    return float(any(equals(said, one) for one in wanted for said in claims(given)) or any(
        same_value(given, one) or same_letter(given, one) for one in wanted))


def claims(text: str) -> Iterator[str]:
    """The text and, where it is a sentence, what it says after its verb; neither if it denies or weighs something."""
    if len(text) > MAX_CLAIM:
        return
    yield text
    yield TAIL.sub("", text)
    said = asserted(TAIL.sub("", text).strip().rstrip("."))
    verb = COMPLEMENT.match(said)
    if verb and not DENIAL.search(said) and not re.search(r"[.;!]\s", said):
        yield said[verb.end() :]


def alternatives(gold: str) -> Iterator[str]:
    """ "center of gravity (mass)" → itself, without the bracket, "center of mass"; "X or Y" and lists → each.

    A bracket of an abbreviation or of several words is an alternative of its own.
    """
    if re.match(r"\s*\[.*['\"]", gold):
        for part in re.split(r"['\"]\s*,\s*|,\s*['\"]", gold.strip().strip("[]")):
            yield from alternatives(part.strip("'\" "))
        return
    yield gold
    bracket = BRACKET.search(gold)
    if bracket and gold[: bracket.start()].strip():
        before, inside, after = gold[: bracket.start()], bracket[1], gold[bracket.end() :]
        words = before.split()
        yield f"{before} {after}".strip()
        if len(words) > 1 and " " not in inside and inside.islower():
            yield f"{' '.join(words[:-1])} {inside} {after}".strip()
        elif " " in inside or inside.isupper():
            yield inside
    elif re.search(r"\s+or\s+", gold) and not DENIAL.search(gold):
        yield from (part for part in re.split(r"\s+or\s+", gold) if normal(part))


def equals(given: str, gold: str) -> bool:
    """The same words: case, articles, punctuation, blanks and spelling aside; signs and comparisons count."""
    if SIGNS.findall(plain(given)) != SIGNS.findall(plain(gold)):
        return False
    wanted = squeezed(normal(gold))
    return bool(wanted) and wanted in (squeezed(normal(given)), squeezed(lead_in(normal(given))))


def squeezed(text: str) -> str:
    """American spelling, no blanks, no hyphens: "O(n log n)" is "O(nlogn)"."""
    return "".join(SPELLING.get(word, word) for word in text.replace("-", " ").split())


def same_value(given: str, gold: str) -> bool:
    """Both are one quantity and agree in value, converted where both have a known unit."""
    target = gold_quantity(gold)
    if target is None:
        return False
    stated, _ = stated_numbers(given)
    if decide(stated).value is None:
        return False
    value, one = stated[0].value, stated[0]
    if one.unit and target.unit:
        if one.unit.dimension != target.unit.dimension:
            return False
        value = value * one.unit.factor / target.unit.factor
    if one.percent != target.percent and one.percent:
        return close(value / 100, target.value) or close(value, target.value)
    return close(value, target.value) or (target.percent and not one.percent and close(value, target.value / 100))


def gold_quantity(gold: str) -> Number | None:
    """The gold answer as a quantity: one number and at most its unit."""
    text = plain(gold)
    found = find_numbers(text)
    if len(found) != 1:
        return None
    rest = re.findall(r"[^\W\d_]+", text[: found[0].start] + " " + text[found[0].end :])
    return found[0] if len(rest) <= 2 and not text[: found[0].start].strip(" $€£~≈=-+") else None


def same_letter(given: str, gold: str) -> bool:
    """The gold answer is a single capital letter and the claim names that one and no other: "arrow C"."""
    wanted = gold.strip().strip("().")
    if not re.fullmatch(r"[A-Z]", wanted):
        return False
    given = TAIL.sub("", given)
    pointed = POINTED.search(given)
    if pointed:
        return pointed[1].upper() == wanted
    reading = read_letter(given, None, 26)
    if reading.status != "unparsed":
        return reading.value == wanted
    named = {one.letter.upper() for one in mentions(plain(given), [""] * 26) if not one.rejected and not one.asked}
    return named == {wanted}

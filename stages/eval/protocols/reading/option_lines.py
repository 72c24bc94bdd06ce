"""TempCompass's rules for its three tasks with options or yes/no, shared by the harnesses that run it."""

from strive.stages.eval.protocols.verdict import UNSCORABLE, Status, Verdict

LETTERS = ("A", "B", "C", "D")
KINDS_OF_LINE = ("Sentence ", "Option ", "Caption ")


def verdict(right: bool, parsed: str | None, text: str, rule: str) -> Verdict:
    """1 or 0; what no rule matches is wrong, as with the harness's judge switched off."""
    status: Status = "ok" if parsed is not None else "unparsed" if text.strip() else "empty"
    return Verdict(float(right), status, parsed, rule)


def read_choice(text: str, gold: str) -> Verdict:
    """The gold line itself, a letter A–D, or a text that starts with one and "." or ")"."""
    rule = "whole option line, or a letter at the start"
    if not gold:
        return UNSCORABLE
    if text == gold:
        return verdict(True, text, text, rule)
    leads = text[:1] in LETTERS and (len(text) == 1 or text[1] in ".)")
    letter = text[0] if leads else None
    return verdict(letter == gold[0], letter, text, rule)


def read_yes_no(text: str, gold: str) -> Verdict:
    """How the text starts, case ignored: "Nothing" is a no."""
    lowered = text.lower()
    answer = next((word for word in ("yes", "no") if lowered.startswith(word)), None)
    return verdict(answer == gold, answer, text, "starts with yes or no")


def read_caption(text: str, question: str, gold: str) -> Verdict:
    """An option line, its caption or its name ("Option 1", "1") as the whole text; later matches win.

    A caption ends at its next ": ". No verdict where a line has no ": ", because there the harnesses stop.
    """
    lines = question.split("\n")[1:]
    if any(": " not in line for line in (*lines, gold)):
        return UNSCORABLE
    chosen = last_match(text, lines)
    return verdict(chosen is not None and chosen in forms_of(gold), chosen, text, "option line, caption or its name")


def last_match(text: str, lines: list[str]) -> str | None:
    """The line, caption or name that the text is."""
    names = [line.split(": ")[0] for line in lines]
    captions = [line.split(": ")[1] for line in lines]
    bracketed = text.split(") ")[1] if ") " in text else text
    whole = [line for line in lines if line == text]
    whole += [caption for caption in captions if caption in (text, bracketed)]
    whole += [name for name in (*names, *map(short, names)) if name in (text, text.replace(".", ""))]
    return whole[-1] if whole else None


def short(name: str) -> str:
    """ "Option 1" → "1"."""
    for kind in KINDS_OF_LINE:
        name = name.replace(kind, "")
    return name


def forms_of(gold: str) -> tuple[str, ...]:
    """What counts as the gold line: itself, its name, its caption up to the next ": ", the second word of its name."""
    parts = gold.split(": ")
    return (gold, gold.split(":")[0], parts[1], *parts[0].split()[1:2])

"""The guard: what a question is about, by keywords, and which operators could therefore change its answer.

It errs on the side of a veto: a veto costs one change of one view, a wrong label costs the training signal. It reads
English; a text that is mostly in another script is tagged `unreadable`, which operators that leave pixels or stretches
of the video out refuse.
"""

from strive.stages.tasks.sample import Question
from strive.stages.views.keywords import KEYWORDS, MOTION, PLACES, SIDES, WHERE, first_hit
from strive.stages.views.operation import Operator

BY_TYPE = {"box": "position", "id_interval": "position"}


def topics(question: Question) -> set[str]:
    """What the question is about: names from `KEYWORDS`, and `unreadable`."""
    return set(evidence(question))


def evidence(question: Question) -> dict[str, str]:
    """The topics of a question, each with the words that told it; the question and all its options are read alike.

    Left and right, and options that are nothing but a place (up, bottom), mean a direction in any case, and a position
    unless the question speaks of motion; with motion, "where" asks for a direction.
    """
    options = [option.strip(" .").lower() for option in question.options or ()]
    text = "\n".join([question.text.lower(), *options])
    hits = {topic: first_hit(words, text) for topic, words in KEYWORDS.items()}
    found = {topic: hit for topic, hit in hits.items() if hit}
    place = next((option for option in sorted(options) if option in PLACES), None)
    side, where = first_hit(SIDES, text) or place, first_hit(WHERE, text)
    moving = first_hit(MOTION, question.text.lower())
    if side or (where and moving):
        found.setdefault("direction", side or f"{where} … {moving}")
    if (side or where) and not moving:
        found.setdefault("position", side or where or "")
    if question.question_type in BY_TYPE:
        found.setdefault(BY_TYPE[question.question_type], f"question type {question.question_type}")
    if is_foreign(text):
        found["unreadable"] = "not in Latin letters"
    return found


def is_foreign(text: str) -> bool:
    """True when fewer than half of the letters are Latin ones without accents."""
    letters = [character for character in text if character.isalpha()]
    return sum(letter.isascii() for letter in letters) < len(letters) / 2


def veto(operator: Operator, found: dict[str, str]) -> dict[str, str] | None:
    """The veto of an operator for a question with these topics (`evidence`), or None when it is safe."""
    clashes = sorted(operator.unsafe_topics & set(found))
    if not clashes:
        return None
    reasons = [f"{topic} ({found[topic]!r})" for topic in clashes]
    return {"operator": operator.name, "topic": clashes[0], "reason": f"could change the answer: {', '.join(reasons)}"}

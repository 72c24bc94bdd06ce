"""Scores a reply against its sample under the strict protocol: read what a person would read, never guess."""

from dataclasses import dataclass
from typing import Literal

from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.verifiers import verifier_of

GradeStatus = Literal["ok", "unparsed", "ambiguous", "truncated", "empty"]


@dataclass(frozen=True)
class Grade:
    """`score` in [0, 1], 0 unless `status` is "ok"; `parsed` is the canonical answer that was read, or None.

    rule: how it was read, in a few words for people.
    """

    score: float
    status: GradeStatus
    parsed: str | None
    rule: str = ""


def grade(sample: Sample, reply: Reply) -> Grade:
    """Read the answer out of the reply, then score the reading; the reader never sees the gold answer."""
    if reply.answer is None:
        return Grade(0.0, reply.status if reply.status != "ok" else "unparsed", None)
    verifier = verifier_of(sample)
    reading = verifier.read(sample, reply.answer)
    if reading.value is None:
        status: GradeStatus = "ambiguous" if reading.status == "ambiguous" else "unparsed"
        return Grade(0.0, "truncated" if reply.cut and status == "unparsed" else status, None, reading.rule)
    return Grade(verifier.score(reading.value, sample.answer), "ok", reading.value, reading.rule)

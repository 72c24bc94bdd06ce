"""What a reader made of an answer: one value, none that it can read, or several that contradict each other."""

from dataclasses import dataclass
from typing import Literal

ReadStatus = Literal["ok", "unparsed", "ambiguous"]


@dataclass(frozen=True)
class Reading:
    """`value` in canonical text ("B", "A,C", "4.5", "[1.0, 2.5]"), None unless `status` is "ok".

    rule: how it was read, in a few words for people ("option text", "number after =").
    """

    status: ReadStatus
    value: str | None = None
    rule: str = ""


UNPARSED = Reading("unparsed")
AMBIGUOUS = Reading("ambiguous")


def read(value: str, rule: str = "") -> Reading:
    """A reading that succeeded."""
    return Reading("ok", value, rule)

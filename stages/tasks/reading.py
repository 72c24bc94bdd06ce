"""What a reader made of an answer: one value, none that it can read, or several that contradict each other."""

from dataclasses import dataclass
from typing import Literal

ReadStatus = Literal["ok", "unparsed", "ambiguous"]


@dataclass(frozen=True)
class Reading:
    """`value` in canonical text ("B", "A,C", "4.5", "[1.0, 2.5]"), None unless `status` is "ok"."""

    status: ReadStatus
    value: str | None = None


UNPARSED = Reading("unparsed")
AMBIGUOUS = Reading("ambiguous")


def read(value: str) -> Reading:
    """A reading that succeeded."""
    return Reading("ok", value)

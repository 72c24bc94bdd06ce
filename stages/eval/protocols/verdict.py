"""What a protocol makes of one reply."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "unparsed", "ambiguous", "truncated", "empty", "unscorable"]


@dataclass(frozen=True)
class Verdict:
    """`score`: what the harness would write for the row, mostly in [0, 1]; None where it has no rule ("unscorable").

    parsed: what was read as the answer, None if nothing was. rule: by which rule, in a few words, for people. counted:
    False where the harness leaves such a row out of its denominator.
    """

    score: float | None
    status: Status
    parsed: str | None = None
    rule: str = ""
    counted: bool = True


UNSCORABLE = Verdict(None, "unscorable", None, "no rule for this question", counted=False)

"""How much of the questions a scorer's context leaves unread, over all questions of a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FACT = "score text length"


@dataclass
class TextLength:
    """Counts of questions, and the sum over them of the share of tokens (0..1) that was cut off."""

    questions: int = 0
    long: int = 0
    cut: int = 0
    shares: float = 0.0

    def add(self, text: Mapping[str, Any]) -> None:
        """Count one question by what its artefact's `meta` says of its text."""
        self.questions += 1
        self.long += text["long"] > 0
        self.cut += text["truncated"] > 0
        self.shares += text["truncated"]

    @property
    def text_cut(self) -> float:
        """The mean share that was cut off, over all questions."""
        return self.shares / max(1, self.questions)

    def fields(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"questions": self.questions, "long": self.long, "cut": self.cut, "text_cut": round(self.text_cut, 6)}

    def line(self, context: int) -> str:
        """One sentence for people; empty when every question fits."""
        if not self.long:
            return ""
        share = f"{self.long} of {self.questions} questions ({self.long / self.questions:.1%})"
        if not self.cut:
            return f"{share} are longer than {context} tokens; all of their text is read, in pieces"
        return f"{share} are cut at {context} tokens, on average {self.text_cut:.1%} of a question's text"


def text_length(facts: dict[str, Any]) -> TextLength:
    """The figures so far in a job's `facts`, over the score artefacts that were there or made."""
    length: TextLength = facts.setdefault(FACT, TextLength())
    return length

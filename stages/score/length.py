"""How much of the questions a scorer's context leaves unread, over all questions of a dataset."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from strive.cache.artefact import Artefact


@dataclass(frozen=True)
class TextLength:
    """Counts of questions, and the mean over all of them of the share of tokens (0..1) that was cut off."""

    questions: int
    long: int
    cut: int
    text_cut: float

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


def text_length(results: Iterable[Artefact | str]) -> TextLength:
    """The figures over the score artefacts among `results`, made now or earlier."""
    facts = [one.meta["text"] for one in results if isinstance(one, Artefact)]
    cut = [one["truncated"] for one in facts]
    return TextLength(len(facts), sum(one["long"] > 0 for one in facts), sum(share > 0 for share in cut),
                      sum(cut) / max(1, len(cut)))

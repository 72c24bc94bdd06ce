"""A sample (one question about one video) and the question as the scorer, sampler and operators may see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QUESTION_TYPES = (
    "multiple_choice", "multi_answer", "yes_no", "numerical", "open", "interval", "box", "id_interval", "progress",
)


@dataclass(frozen=True)
class Question:
    """What may be known before answering: no gold answer, no metadata."""

    id: str
    video: str
    text: str
    options: tuple[str, ...] | None
    question_type: str


@dataclass(frozen=True)
class Sample:
    """One row of a dataset (format: JSON Lines, one object a row, these names as keys).

    `video` is relative to the videos folder, or a URL as it may be shown, whose whole text is `url` then. `options` are
    texts without letters. `answer` is the letter for `multiple_choice`, "A,C" for `multi_answer`, yes/no, a number as
    string, text, `[s, e]`, box JSON.
    """

    id: str
    video: str
    question: str
    options: tuple[str, ...] | None
    answer: str
    question_type: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    url: str = field(default="", repr=False, compare=False)

    @property
    def located(self) -> str:
        """What finds the video; it may hold secrets, so it is neither shown nor stored."""
        return self.url or self.video

    def blind(self) -> Question:
        """The question without its answer: the only form that scorers, samplers and operators are given."""
        return Question(self.id, self.video, self.question, self.options, self.question_type)

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return {
            "id": self.id, "video": self.video, "question": self.question,
            "options": list(self.options) if self.options is not None else None,
            "answer": self.answer, "question_type": self.question_type, "meta": dict(self.meta),
        }

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> "Sample":
        """The inverse of `to_json`; rows from users go through `dataset.py`, which checks them."""
        options = row.get("options")
        return Sample(
            str(row["id"]), str(row["video"]), str(row["question"]),
            tuple(str(option) for option in options) if options is not None else None,
            str(row["answer"]), str(row["question_type"]), dict(row.get("meta") or {}),
        )

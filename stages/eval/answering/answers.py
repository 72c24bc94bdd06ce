"""What an answerer is asked and what it gives back: an answer, or why there is none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from strive.stages.tasks.sample import Sample


@dataclass(frozen=True)
class Ask:
    """A question. `text(times)`: the user's text beside frames shown at these times (seconds, () for none)."""

    sample: Sample
    text: Callable[[Sequence[float]], str]


@dataclass(frozen=True)
class Answer:
    """A reply as it was written.

    finished: False when the token limit cut it off. shown_video: the video shown, None for a prompt of text only.
    times: seconds in that video of the frames in the order shown. prompt_tokens, completion_tokens: 0 where a server
    does not tell.
    """

    sample: Sample
    text: str
    finished: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0
    shown_video: str | None = None
    times: Sequence[float] = field(default_factory=tuple)


@dataclass(frozen=True)
class Unanswered:
    """A question that could not be asked or answered. `too_large`: it did not fit in memory."""

    sample: Sample
    reason: str
    too_large: bool = False


class Answerer(Protocol):
    """Answers questions: a policy on this machine, or a server."""

    def answers(self, asks: Sequence[Ask], noted: Mapping[str, int]) -> Iterator[Sequence[Answer | Unanswered]]:
        """Outcomes for the questions that have no answer yet, a few at a time, in any order, each question once.

        `noted`: sample id → prompt tokens of the questions that have their answer already. An answerer whose replies
        depend on what is computed together puts them in their place, so that a resumed run answers as an undisturbed
        one. One question's failure is its own: it is yielded as `Unanswered`.
        """

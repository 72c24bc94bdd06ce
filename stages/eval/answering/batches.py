"""Groups prompts by what they show and batches them by a token budget, alike whether or not a run was interrupted.

Only places, prompt lengths and texts decide: answered samples take their place too, so that a resumed run computes the
same batches as an undisturbed one and its answers are the same to the bit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from strive.stages.eval.answering.answers import Ask
from strive.stages.eval.answering.gallery import Seen
from strive.stages.tasks.sample import Sample
from strive.stages.vlm.interface import ViewInputs


@dataclass(frozen=True, eq=False)
class Entry:
    """One sample's place in a batch. `view` (no pixels) is None when its answer is already there.

    `tokens`: its prompt's length; `words`: those of them after what it shows. `seen`: the frames, None for a prompt
    without any.
    """

    ask: Ask
    tokens: int
    words: int = 0
    view: ViewInputs | None = None
    seen: Seen | None = None

    @property
    def sample(self) -> Sample:
        """The question's sample."""
        return self.ask.sample


@dataclass(frozen=True, eq=False)
class Group:
    """Questions about what is shown at one place; what their prompts begin with is read once."""

    entries: Sequence[Entry]

    @property
    def head(self) -> int:
        """Tokens that are read once."""
        least = min(entry.tokens - entry.words for entry in self.entries)
        return max(least, 0) if len(self.entries) > 1 else self.entries[0].tokens

    @property
    def tail(self) -> int:
        """The most tokens that a question has beside them."""
        return max(entry.tokens for entry in self.entries) - self.head

    def prompts(self) -> list[ViewInputs]:
        """The prompts of the questions that are encoded."""
        return [entry.view for entry in self.entries if entry.view is not None]

    def parts(self, budget: int) -> list["Group"]:
        """Itself, or cut so that its head and some of its questions stay within `budget`; at least one each."""
        count = max((budget - self.head) // max(self.tail, 1), 1)
        if count >= len(self.entries):
            return [self]
        return [self.cut(start, start + count) for start in range(0, len(self.entries), count)]

    def cut(self, start: int, end: int) -> "Group":
        """Some of its questions."""
        return replace(self, entries=self.entries[start:end])


def held_tokens(groups: Sequence[Group]) -> int:
    """Tokens whose keys and values a batch holds, padding included: a head for each group, a tail for each row."""
    most = max(len(group.entries) for group in groups)
    return len(groups) * (max(group.head for group in groups) + most * max(group.tail for group in groups))


def by_budget(groups: Iterable[Group], budget: int) -> Iterator[list[Group]]:
    """Consecutive groups that hold at most `budget` tokens together; at least one a batch, which may be larger."""
    batch: list[Group] = []
    for group in groups:
        if batch and held_tokens([*batch, group]) > budget:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch


def halves(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """Half of the groups each, or of the questions of the only one, which has several."""
    if len(groups) > 1:
        middle = len(groups) // 2
        return list(groups[:middle]), list(groups[middle:])
    middle = len(groups[0].entries) // 2
    return [groups[0].cut(0, middle)], [groups[0].cut(middle, len(groups[0].entries))]

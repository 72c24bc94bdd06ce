"""Groups prompts into batches by a token budget; the grouping is the same whether or not a run was interrupted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from strive.stages.eval.answering.answers import Ask
from strive.stages.eval.answering.gallery import Seen
from strive.stages.tasks.sample import Sample
from strive.stages.vlm.interface import ViewInputs


@dataclass
class Entry:
    """One sample's place in a batch. `view` (no pixels) is None when its answer is already there.

    `tokens`: its prompt's length. `seen`: the frames, None for a prompt without any.
    """

    ask: Ask
    tokens: int
    view: ViewInputs | None = None
    seen: Seen | None = None

    @property
    def sample(self) -> Sample:
        """The question's sample."""
        return self.ask.sample


def by_budget(entries: Iterable[Entry], budget: int) -> Iterator[list[Entry]]:
    """Consecutive entries whose padded size, rows × longest prompt, stays within `budget`; at least one a batch.

    Answered samples take their place too: a resumed run then computes the same batches as an undisturbed one, so
    that its answers are the same to the bit.
    """
    batch: list[Entry] = []
    longest = 0
    for entry in entries:
        if batch and (len(batch) + 1) * max(longest, entry.tokens) > budget:
            yield batch
            batch, longest = [], 0
        batch.append(entry)
        longest = max(longest, entry.tokens)
    if batch:
        yield batch

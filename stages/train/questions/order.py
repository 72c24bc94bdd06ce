"""Which questions a step trains on: a pure function of sources, seed and position; nothing else need be kept."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from strive.stages.train.questions.turns import Turns

EPOCHS_HELD = 4
"""Permutations of each source kept in memory: a batch reads two at most."""


@dataclass(frozen=True)
class Source:
    """One dataset file's questions: `weight` (positive) is its share of the questions drawn, relative to the others."""

    name: str
    ids: Sequence[str]
    weight: float = 1.0


class Mixture:
    """An endless stream of question ids: sources take turns by weight, each walks through its own permutations.

    Every epoch of a source is a fresh permutation. A batch holds no id twice as long as each source has as many
    questions as it can get turns in a batch (`most_drawn`): with one source whole batches make an epoch, what is left
    over waits for the next; with several the first questions of an epoch are exchanged for later ones where they would
    meet the end of the epoch before. The order of the sources and of their ids does not matter.
    """

    def __init__(self, sources: Sequence[Source], seed: int, batch: int = 1) -> None:
        """batch: questions drawn together, at positions that are multiples of it."""
        self.sources = sorted(sources, key=lambda source: source.name)
        self.turns = Turns([source.weight for source in self.sources])
        if len(self.sources) == 1:
            ids = self.sources[0].ids
            self._walks = [Walk(ids, seed, length=len(ids) // batch * batch)]
        else:
            self._walks = [Walk(source.ids, seed, source.name, self.turns.most(i, batch))
                           for i, source in enumerate(self.sources)]

    def take(self, position: int, count: int) -> list[str]:
        """The ids at positions `position` to `position + count - 1` (from 0) of the stream."""
        turns = (self.turns.at(place) for place in range(position, position + count))
        return [self._walks[source].at(draw) for source, draw in turns]


class Walk:
    """One source's draws: epoch after epoch, no id twice within `reach` draws as long as there are `reach` ids."""

    def __init__(self, ids: Sequence[str], seed: int, name: str = "", reach: int = 1, length: int = 0) -> None:
        """name: makes the order this source's own. length: draws that make an epoch; 0 for all ids."""
        self.ids, self.seed, self.name, self.reach = sorted(ids), seed, name, reach
        self.length = length or len(self.ids)
        self._order = lru_cache(maxsize=EPOCHS_HELD)(self._epoch)

    def at(self, draw: int) -> str:
        """The id of this source's draw number `draw` (from 0)."""
        epoch, place = divmod(draw, self.length)
        return self.ids[self._order(epoch)[place]]

    def _epoch(self, epoch: int) -> np.ndarray:
        """The order of this epoch; int64 [ids]. Few ids keep one order: there is no room to exchange them."""
        count, edge = len(self.ids), self.reach - 1
        order = epoch_order(count, self.seed, 0 if count < 3 * edge else epoch, self.name)
        if epoch == 0 or edge == 0 or count < 3 * edge:
            return order
        # The last `edge` places stay as drawn, so that the next epoch can look at them without knowing this exchange.
        ended = epoch_order(count, self.seed, epoch - 1, self.name)[count - edge:]
        meets = np.flatnonzero(np.isin(order[:edge], ended))
        others = edge + np.flatnonzero(~np.isin(order[edge : count - edge], ended))[: len(meets)]
        order[meets], order[others] = order[others], order[meets]
        return order


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from a chain of values; the same on every machine (never Python's `hash`)."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def epoch_order(count: int, seed: int, epoch: int, name: str = "") -> np.ndarray:
    """A permutation of 0..count-1 for this epoch of the source of that name; int64 [count]."""
    where = (name, epoch) if name else (epoch,)
    return np.random.Generator(np.random.PCG64(derive_seed(seed, "train", "order", *where))).permutation(count)

"""Packs the images of several videos into forwards of one fixed size, each image always into the same row.

A row of a forward of fixed shape does not depend on its neighbours. Whether it depends on its place is up to the device
and its kernels, so the place is made a fact of the image: image i of a video stands in row (first + i) mod batch, where
`first` comes from the video's content, whichever videos share the forward. Rows wait in queues of their own; a forward
runs when every row has an image, or with zeros in the free rows when too much is waiting.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from os import cpu_count
from typing import Any

import numpy as np

from strive.stages.score.ahead import ahead
from strive.stages.score.controls import pixel_digest
from strive.stages.score.encoder import ImageSet
from strive.stages.views.randomness import stable_seed

MAX_WAITING = 4
"""Images waiting, in forwards."""
MAX_SETS = 16
PREPARING_THREADS = 4

Prepare = Callable[[np.ndarray], Any]
Encode = Callable[[dict[int, Any]], np.ndarray]
"""{row: prepared image} of one forward → float32 [batch, D]."""


@dataclass
class Growing:
    """One set on its way: which distinct image each of its images is, and the rows that are computed."""

    token: Any
    slots: list[int] = field(default_factory=list)
    rows: dict[int, np.ndarray] = field(default_factory=dict)
    total: int | None = None  # distinct images, once the set has been read to its end

    @property
    def is_whole(self) -> bool:
        return self.total == len(self.rows)

    def result(self) -> np.ndarray:
        """float32 [n, D] in the order of the images; equal images have the very same row."""
        if not self.slots:
            return np.empty((0, 0), np.float32)
        return np.stack([self.rows[number] for number in range(len(self.rows))])[self.slots]


@dataclass(frozen=True)
class Waiting:
    """One distinct image of a set, being prepared; without one it is the set's end."""

    growing: Growing
    number: int
    row: int
    prepared: "Future[Any] | None" = None


class Forwards:
    """The images that wait for a forward, by their row."""

    def __init__(self, encode: Encode, batch: int) -> None:
        self.encode, self.batch = encode, batch
        self.queues: list[deque[Waiting]] = [deque() for _ in range(batch)]
        self.waiting = 0

    def add(self, one: Waiting) -> None:
        """Let an image wait in its row."""
        self.queues[one.row].append(one)
        self.waiting += 1

    @property
    def is_due(self) -> bool:
        """Whether every row has an image, or too many wait."""
        return self.waiting >= MAX_WAITING * self.batch or (self.waiting >= self.batch and all(self.queues))

    def run(self) -> None:
        """One forward over the first of each row."""
        going = [queue.popleft() for queue in self.queues if queue]
        rows = self.encode({one.row: one.prepared.result() for one in going if one.prepared is not None})
        for one in going:
            one.growing.rows[one.number] = rows[one.row].copy()
        self.waiting -= len(going)


def encode_sets(
    sets: Iterable[ImageSet], prepare: Prepare, encode: Encode, batch: int
) -> Iterator[tuple[Any, np.ndarray]]:
    """(token, float32 [n, D]) of each set, in the order in which they get whole; few sets are held at a time.

    Sets are read and images prepared in threads while forwards run; `encode` is called from the caller's thread only.
    """
    forwards, held = Forwards(encode, batch), list[Growing]()
    with ThreadPoolExecutor(min(PREPARING_THREADS, cpu_count() or 1)) as pool:
        with closing(ahead(read_sets(sets, prepare, pool, batch), 2 * batch)) as events:
            for one in events:
                if one.prepared is None:
                    one.growing.total = one.number
                    held.append(one.growing)
                else:
                    forwards.add(one)
                while forwards.is_due or (len(held) >= MAX_SETS and forwards.waiting):
                    forwards.run()
                    yield from whole(held)
                yield from whole(held)
        while forwards.waiting:
            forwards.run()
            yield from whole(held)


def whole(held: list[Growing]) -> Iterator[tuple[Any, np.ndarray]]:
    """The sets that have all their rows; they are no longer held."""
    done = [one for one in held if one.is_whole]
    held[:] = [one for one in held if not one.is_whole]
    for one in done:
        yield one.token, one.result()


def read_sets(
    sets: Iterable[ImageSet], prepare: Prepare, pool: ThreadPoolExecutor, batch: int
) -> Iterator[Waiting]:
    """The distinct images of all sets, each with its row, and after each set its end."""
    for one in sets:
        growing, seen = Growing(one.token), dict[str, int]()
        first = stable_seed("first row", one.salt) % batch
        for image in one.images:
            digest = pixel_digest(image)
            is_new, number = digest not in seen, seen.setdefault(digest, len(seen))
            growing.slots.append(number)
            if is_new:
                yield Waiting(growing, number, (first + number) % batch, pool.submit(prepare, image))
        yield Waiting(growing, len(seen), 0)

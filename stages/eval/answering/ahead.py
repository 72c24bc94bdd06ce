"""Frames for the next questions, decoded and resized by a thread while the model generates.

The thread lives only while the model is busy: no error, interruption or reader who stops leaves anything behind.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import torch

from strive.stages.eval.answering.answers import Ask
from strive.stages.eval.answering.gallery import Seen
from strive.stages.eval.answering.shown import Place

LIMIT_BYTES = 256 << 20
"""Pixels that may wait: with that many, no further place is begun."""


class Ahead:
    """Makes places in the order in which they are expected; `make` is called by one thread at a time."""

    def __init__(self, make: Callable[[Place, Ask], Seen], beside: bool, limit: int = LIMIT_BYTES) -> None:
        self.make, self.beside, self.limit = make, beside, limit
        self.expected: dict[Place, Ask] = {}
        self.ready: dict[Place, Seen] = {}

    def expect(self, places: Mapping[Place, Ask]) -> None:
        """What will be asked for, in order, each with a question that it is shown for."""
        self.expected, self.ready = dict(places), {}

    def take(self, place: Place, ask: Ask) -> Seen:
        """What is shown at a place: made ahead, or made now. What `make` raises is raised here, whoever met it."""
        self.expected.pop(place, None)
        waiting = self.ready.pop(place, None)
        return self.make(place, ask) if waiting is None else waiting

    @contextmanager
    def working(self) -> Iterator[None]:
        """Make places while the block runs; at its end the one that is begun is finished, and the thread is gone."""
        if not self.beside or not self.expected:
            yield
            return
        stop = Event()
        with ThreadPoolExecutor(1, "frames-ahead") as pool:
            pool.submit(self._work, stop)  # what it raises is met again, and raised, by `take`
            try:
                yield
            finally:
                stop.set()

    def _work(self, stop: Event) -> None:
        for place, ask in list(self.expected.items()):
            if stop.is_set() or sum(seen.size_bytes() for seen in self.ready.values()) >= self.limit:
                return
            if place not in self.ready:
                self.ready[place] = self.make(place, ask)


def has_spare_core(device: torch.device) -> bool:
    """Whether a thread of its own finds a core that the model does not use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores > (torch.get_num_threads() if device.type == "cpu" else 1)

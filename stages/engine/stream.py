"""Feeds a stream maker with claimed items and publishes what it gives, several small products at a time."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any, cast

from strive.cache.store import Artefact
from strive.configs.errors import ItemError, LockedError
from strive.stages.engine.publishing import Press, Record, Result
from strive.stages.interrupt import StopFlag
from strive.stages.plan import Item, Product, StreamMaker

Finished = tuple[Item, Product, float]
PATIENCE_S = 5.0
"""What a kill may cost: finished products are published after this time at the latest."""


class Claims:
    """The keys that this process holds, each for the items in flight that it stands for. Safe between two threads."""

    def __init__(self, press: Press) -> None:
        self.press, self._lock = press, threading.Lock()
        self._held: dict[str, ExitStack] = {}
        self._items: Counter[str] = Counter()

    def take(self, item: Item) -> Artefact | None:
        """Claim the item's key, without waiting; what is there already, or None. Raises `LockedError` where another
        process holds it."""
        under, stage, store = self.press.claimed_under(item), self.press.stage.name, self.press.store
        with self._lock:
            self._items[under] += 1
            if under in self._held:
                return store.find(stage, item.key or "")
            stack = ExitStack()
            try:
                there = stack.enter_context(store.claim(stage, item.key or "", timeout_s=0, under=under))
            except LockedError:
                self._items[under] -= 1
                raise
            self._held[under] = stack
            return there

    def release(self, item: Item) -> None:
        """The item is through; its key is given up with the last item that it stands for."""
        under = self.press.claimed_under(item)
        with self._lock:
            self._items[under] -= 1
            if not self._items[under]:
                self._held.pop(under).close()

    def close(self) -> None:
        """Give up all keys."""
        with self._lock:
            for stack in self._held.values():
                stack.close()
            self._held.clear()
            self._items.clear()


class Stream:
    """One stage's items on their way through its maker.

    A key that another run holds is left for the end: waiting for it while holding others could wait for ever.
    """

    def __init__(self, press: Press, maker: StreamMaker, record: Record, stop: StopFlag) -> None:
        self.press, self.maker, self.record, self.stop = press, maker, record, stop
        self.claims = Claims(press)
        self.later: list[Item] = []
        self.meanwhile: list[Item] = []

    def run(self, todo: Sequence[Item]) -> list[Item]:
        """Make the items; returns those whose keys others hold."""
        batch, ready = int(getattr(self.press.stage, "batch", 1)), list[Finished]()
        last = time.monotonic()
        try:
            with closing(cast(Any, self.maker.make_stream(self.claimed(todo)))) as made:
                for item, product in made:
                    now = time.monotonic()
                    if isinstance(product, ItemError):
                        self.settle(item, str(product))
                    else:
                        ready.append((item, product, now - last))
                    last = now
                    waited = sum(took for _, _, took in ready)
                    if len(ready) >= batch or waited > PATIENCE_S:
                        self.publish(ready)
                    self.book_meanwhile()
            self.publish(ready)
            self.book_meanwhile()
        finally:
            self.claims.close()
        left, self.later = self.later, []
        return left

    def claimed(self, todo: Sequence[Item]) -> Iterator[Item]:
        """The items whose keys could be claimed; the maker pulls them, perhaps from a thread of its own."""
        for item in todo:
            if self.stop.code is not None:
                return
            try:
                there = self.claims.take(item)
            except LockedError:
                self.later.append(item)
                continue
            if there and not self.press.replace:
                self.claims.release(item)
                self.meanwhile.append(item)
                continue
            yield item

    def publish(self, ready: list[Finished]) -> None:
        """Publish what is ready and let go of its keys."""
        if not ready:
            return
        artefacts = self.press.publish(ready)
        for (item, _, _), artefact in zip(ready, artefacts, strict=True):
            self.settle(item, artefact)
        ready.clear()

    def settle(self, item: Item, result: Result) -> None:
        """Let go of a key and book what became of its item."""
        self.claims.release(item)
        self.record(item, result)

    def book_meanwhile(self) -> None:
        """Book what others made since, from this thread."""
        while self.meanwhile:
            self.record(self.meanwhile.pop(), None)

"""Makes items in this process: one after the other, in threads over decoding children, or as a stream."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, cast

from strive.cache.store import Artefact
from strive.configs.errors import ItemError, LockedError
from strive.stages.engine.publishing import Press
from strive.stages.interrupt import StopFlag
from strive.stages.plan import DataStage, Item, Job, Maker, Product, StreamMaker

Result = Artefact | str | None
"""A new artefact, the reason of a failure, or None when another run made it meanwhile."""
Record = Callable[[Item, Result], None]


class LocalEngine:
    """Keeps each stage's maker open until `finish`, so that windows share children and models."""

    def __init__(self, job: Job) -> None:
        self._open: dict[str, tuple[ExitStack, Maker, Job]] = {}

    def make_all(self, stage: DataStage, job: Job, todo: Sequence[Item], replace: bool, record: Record,
                 stop: StopFlag) -> None:
        """Make the items, telling `record` of each; ends early when a signal came."""
        maker, press = self._maker(stage, job), Press.of(stage, job, replace, stop)
        if getattr(stage, "stream", False):
            Stream(press, cast(StreamMaker, maker), record, stop).run(todo)
        elif stage.parallel and job.workers > 1:
            in_threads(press, maker, job.workers, todo, record, stop)
        else:
            for item in todo:
                if stop.code is None:
                    book(record, item, partial(press.make_one, maker, item), stop)

    def finish(self, stage: str) -> None:
        """Close the stage's maker: no more items of it will come."""
        if stage in self._open:
            self._open.pop(stage)[0].close()

    def close(self) -> None:
        """Close all makers, the last opened first."""
        for stage in reversed(list(self._open)):
            self.finish(stage)

    def _maker(self, stage: DataStage, job: Job) -> Maker:
        if stage.name not in self._open:
            stack = ExitStack()
            self._open[stage.name] = (stack, stack.enter_context(stage.open(job)), job)
        _, maker, opened = self._open[stage.name]
        opened.todo = job.todo  # the maker knows the window that it was opened for
        return maker


def in_threads(press: Press, maker: Maker, workers: int, todo: Sequence[Item], record: Record, stop: StopFlag) -> None:
    """Keep as many items going as there are workers, until none is left or a signal came."""
    pool, going = ThreadPoolExecutor(workers), dict[Future[Result], Item]()
    queue = iter(todo)
    try:
        while True:
            while len(going) < workers and stop.code is None and (item := next(queue, None)) is not None:
                going[pool.submit(press.make_one, maker, item)] = item
            if not going:
                break
            for future in wait(going, return_when=FIRST_COMPLETED)[0]:
                book(record, going.pop(future), future.result, stop)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)  # leaving the stage kills its children, which ends the threads
        raise
    pool.shutdown()


def book(record: Record, item: Item, result: Callable[[], Result], stop: StopFlag) -> None:
    """Record what became of an item; one that another run still holds when a signal came stays undone."""
    try:
        found = result()
    except LockedError:
        if stop.code is None:
            raise
        return
    record(item, found)


class Stream:
    """Feeds a stream maker with claimed items and publishes what it gives, several small products at a time.

    A key that another run holds is left for the end: waiting for it while holding others could wait for ever.
    """

    def __init__(self, press: Press, maker: StreamMaker, record: Record, stop: StopFlag) -> None:
        self.press, self.maker, self.record, self.stop = press, maker, record, stop
        self.held: dict[str, ExitStack] = {}
        self.later: list[Item] = []
        self.meanwhile: list[Item] = []

    def run(self, todo: Sequence[Item]) -> None:
        """Make all items, then those that others held at first."""
        batch, ready = int(getattr(self.press.stage, "batch", 1)), list[tuple[Item, Product, float]]()
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
                    if len(ready) >= batch:
                        self.publish(ready)
                    self.book_meanwhile()
            self.publish(ready)
            self.book_meanwhile()
        finally:
            for stack in self.held.values():
                stack.close()
        for item in self.later:
            if self.stop.code is None:
                book(self.record, item, partial(self.press.make_one, self.maker, item), self.stop)

    def claimed(self, todo: Sequence[Item]) -> Iterator[Item]:
        """The items whose keys could be claimed; the maker pulls them, perhaps from a thread of its own."""
        for item in todo:
            if self.stop.code is not None:
                return
            stack = ExitStack()
            try:
                there = stack.enter_context(self.press.store.claim(self.press.stage.name, item.key or "", timeout_s=0))
            except LockedError:
                self.later.append(item)
                continue
            if there and not self.press.replace:
                stack.close()
                self.meanwhile.append(item)
                continue
            self.held[item.key or ""] = stack
            yield item

    def publish(self, ready: list[tuple[Item, Product, float]]) -> None:
        """Publish what is ready and let go of its keys."""
        if not ready:
            return
        artefacts = self.press.publish(ready)
        for (item, _, _), artefact in zip(ready, artefacts, strict=True):
            self.settle(item, artefact)
        ready.clear()

    def settle(self, item: Item, result: Result) -> None:
        """Let go of a key and book what became of it."""
        self.held.pop(item.key or "").close()
        self.record(item, result)

    def book_meanwhile(self) -> None:
        """Book what others made since, from this thread."""
        while self.meanwhile:
            self.record(self.meanwhile.pop(), None)

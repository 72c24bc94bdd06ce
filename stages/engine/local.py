"""Makes items in this process: one after the other, in threads over decoding children, or as a stream."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from typing import cast

from strive.configs.errors import LockedError
from strive.stages.engine.publishing import Press, Record, Result
from strive.stages.engine.stream import Stream
from strive.stages.interrupt import StopFlag
from strive.stages.plan import DataStage, Item, Job, Maker, StreamMaker


class LocalEngine:
    """Keeps each stage's maker open until `close`, so that windows share children, and embed and score a model."""

    def __init__(self, job: Job) -> None:
        self._open: dict[str, tuple[ExitStack, Maker, Job]] = {}

    def make_all(self, stage: DataStage, job: Job, todo: Sequence[Item], replace: bool, record: Record,
                 stop: StopFlag) -> None:
        """Make the items, telling `record` of each; ends early when a signal came."""
        maker, press = self._maker(stage, job), Press.of(stage, job, replace, stop)
        if getattr(stage, "stream", False):
            in_stream(press, cast(StreamMaker, maker), todo, record, stop)
        elif stage.parallel and job.workers > 1:
            in_threads(press, maker, job.workers, todo, record, stop)
        else:
            for item in todo:
                if stop.code is None:
                    book(record, item, partial(press.make_one, maker, item), stop)

    def close(self) -> None:
        """Close all makers, the last opened first."""
        with ExitStack() as all_of_them:
            for stack, _maker, _job in self._open.values():
                all_of_them.enter_context(stack)
            self._open.clear()

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


def in_stream(press: Press, maker: StreamMaker, todo: Sequence[Item], record: Record, stop: StopFlag) -> None:
    """Make what can be claimed at once, then wait for what others hold, one key after the other."""
    stream = Stream(press, maker, record, stop)
    left = stream.run(todo)
    while left and stop.code is None:
        book(record, left[0], partial(press.make_one, maker, left[0]), stop)
        left = stream.run(left[1:])

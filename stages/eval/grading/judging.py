"""Verdicts on rows, in their order: here, or by worker processes a block at a time."""

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice

from strive.stages.eval.grading.rows import ToGrade
from strive.stages.eval.protocols import judge
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.tasks.sample_rows import RowError

BLOCK = 256  # rows
AHEAD = 3  # blocks a worker, so that memory stays bounded


@dataclass(frozen=True)
class Judged:
    """A row with its verdict; `odd`: why it is not what its benchmark publishes, "" if it is."""

    row: ToGrade
    verdict: Verdict
    odd: str = ""


def judged(protocol: str, raw: bool, rows: Iterable[ToGrade]) -> Iterator[Judged]:
    """The verdict on each row; none on a question that was never asked, or that is not what its benchmark has."""
    for one in rows:
        if one.missing:
            yield Judged(one, Verdict(None, "unscorable", None, one.missing, counted=False))
            continue
        try:
            yield Judged(one, judge(protocol, one.row, one.prediction, raw, one.cut))
        except RowError as error:
            yield Judged(one, Verdict(None, "unscorable", None, error.what, counted=False), error.what)


def judged_apart(protocol: str, raw: bool, rows: Iterable[ToGrade], workers: int) -> Iterator[Judged]:
    """The same by forked processes, `workers` of them; in this one where that is not possible."""
    if workers < 2 or "fork" not in multiprocessing.get_all_start_methods() or threading.active_count() > 1:
        yield from judged(protocol, raw, rows)
        return
    rows, waiting = iter(rows), deque[tuple[list[ToGrade], Future[list[tuple[Verdict, str]]]]]()
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=fork, initializer=leave_signals_to_the_parent) as pool:
        try:
            while True:
                while len(waiting) < AHEAD * workers and (block := list(islice(rows, BLOCK))):
                    waiting.append((block, pool.submit(verdicts, protocol, raw, block)))
                if not waiting:
                    return
                block, future = waiting.popleft()
                for one, (verdict, odd) in zip(block, future.result(), strict=True):
                    yield Judged(one, verdict, odd)
        finally:
            pool.shutdown(cancel_futures=True)


def verdicts(protocol: str, raw: bool, block: list[ToGrade]) -> list[tuple[Verdict, str]]:
    """A worker's part: without the rows, which the parent has."""
    return [(one.verdict, one.odd) for one in judged(protocol, raw, block)]


def leave_signals_to_the_parent() -> None:
    """A Ctrl-C reaches every process of the terminal; one of them tells of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

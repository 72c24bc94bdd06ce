"""Runs an iterator in a thread of its own, a bounded number of elements ahead of who reads it."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar, cast

T = TypeVar("T")
POLL_S = 0.1
_END = object()


def ahead(source: Iterable[T], room: int) -> Generator[T, None, None]:
    """The elements of `source` in order; at most `room` are waiting to be read.

    What the source raises is raised here, after the elements before it. Closing this iterator stops the thread and
    waits for it: the source is not touched afterwards.
    """
    waiting: queue.Queue[object] = queue.Queue(room)
    is_over = threading.Event()
    trouble: list[BaseException] = []

    def put(element: object) -> None:
        while not is_over.is_set():
            try:
                return waiting.put(element, timeout=POLL_S)
            except queue.Full:
                continue

    def run() -> None:
        try:
            for element in source:
                put(element)
                if is_over.is_set():
                    break
        except BaseException as error:  # handed over whole, whatever it is
            trouble.append(error)
        put(_END)

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        while (element := waiting.get()) is not _END:
            yield cast(T, element)
        if trouble:
            raise trouble[0]
    finally:
        is_over.set()
        thread.join()

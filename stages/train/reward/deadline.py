"""A time limit for a call into code that is not ours: the call is interrupted, not left running in a thread."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from strive.stages.tasks.plugins import Interruption

AGAIN_S = 0.2
"""Seconds after which the interruption comes again, for code that swallowed it (`while True: try … except: sleep`)."""
SHORTEST_S = 1e-3
"""Below a microsecond a timer would be off."""


class Expired(Interruption):
    """The call took longer than it may."""


def within(seconds: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)`, or `Expired` raised inside it after `seconds`.

    SIGALRM interrupts Python code, `re`, sleeping and waiting (sockets, locks, processes); C code that never looks for
    signals goes on until it returns. A handler and timer that were set before come back. Only the main thread gets
    signals: elsewhere the call has no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(*arguments)
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise Expired

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, SHORTEST_S), AGAIN_S)
    try:
        try:
            return function(*arguments)
        finally:
            armed = False
    finally:  # a ring before `armed` was cleared lands here; the next one is `AGAIN_S` away
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)

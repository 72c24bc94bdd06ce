"""Signals as a flag: the first asks to stop after the current item, a second Ctrl-C stops now.

Schedulers send USR1 and then TERM: those never cut short what the first one let finish.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from strive.configs.errors import InterruptedRun

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 143}


@dataclass
class StopFlag:
    """`code` is the exit code to leave with once a signal came, else None."""

    code: int | None = None

    def check(self) -> None:
        """Raise `InterruptedRun` if a signal came."""
        if self.code is not None:
            raise InterruptedRun("stopped by a signal; what was finished is kept", self.code)


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Catch SIGINT, SIGTERM and SIGUSR1 while the block runs (in the main thread; elsewhere the flag stays unset)."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if flag.code is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        flag.code = flag.code or EXIT_CODES[signal.Signals(number)]

    before = {number: signal.signal(number, ask) for number in EXIT_CODES}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

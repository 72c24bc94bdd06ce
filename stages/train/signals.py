"""Turns SIGTERM, SIGUSR1, Ctrl-C and a time limit into one question asked after each step: is it time to stop?"""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from strive.configs.errors import InterruptedRun

TERMINATED = 143
INTERRUPTED = 130
CODES = {signal.SIGTERM: TERMINATED, signal.SIGUSR1: TERMINATED, signal.SIGINT: INTERRUPTED}


class Stop:
    """While entered, the signals only set a mark; a second Ctrl-C stops at once (KeyboardInterrupt).

    max_time_s: seconds after which `code` is 143; `spent_s` of them have passed when it is entered.
    """

    def __init__(self, max_time_s: float | None = None, spent_s: float = 0.0) -> None:
        self.max_time_s, self.spent_s = max_time_s, spent_s
        self.started = time.monotonic() - spent_s
        self.reason = ""
        self._code: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stop":
        self.started = time.monotonic() - self.spent_s
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._mark) for number in CODES}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @property
    def code(self) -> int | None:
        """The exit code when it is time to stop, else None."""
        if self._code is None and self.max_time_s is not None and time.monotonic() - self.started >= self.max_time_s:
            self._code, self.reason = TERMINATED, f"time limit of {self.max_time_s:g} s"
        return self._code

    def check(self, saved: str) -> None:
        """Raise `InterruptedRun` when it is time to stop; `saved` says what is kept."""
        if self.code is not None:
            raise InterruptedRun(f"stopped by {self.reason}; {saved}", self.code)

    def _mark(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._code == INTERRUPTED:
            raise KeyboardInterrupt
        self._code, self.reason = CODES[signal.Signals(number)], signal.Signals(number).name

"""A function of the user's own that gives numbers: loaded and checked, called under a deadline, failures counted."""

import inspect
import math
import numbers
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strive.configs.errors import StoppedError, UsageError
from strive.stages.tasks.plugins import OwnCodeError, load_plugin, run_own
from strive.stages.train.reward.deadline import Expired, within

MAX_TIMEOUTS = 3
"""Calls of one function that may run out of time among its last `RECENT`; then the run stops."""
RECENT = 100
FAILED = object()


@dataclass(frozen=True)
class Kind:
    """What sort of function it is, in words: `noun` for messages, the config key that names it, how it is called,
    and what it gives a number for (`one`, `many`)."""

    noun: str
    setting: str
    arguments: tuple[str, ...]
    expected: str
    one: str
    many: str


class OwnCall:
    """`module:function`; what it raises is counted and told, and never raised again.

    troubles: what went wrong, in words, once per kind, until `take_troubles` is called.
    failures: replies without a finite number, by kind ("raised KeyError", "timeout", "not finite").
    """

    def __init__(self, name: str, timeout_s: float, kind: Kind) -> None:
        self.name, self.timeout_s, self.kind = name, timeout_s, kind
        plugin = load_plugin(name, kind.setting)
        self.file = plugin.files[0]
        self.function: Callable[..., Any] = checked(name, plugin.value, kind)
        self.failures: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._timeouts: deque[bool] = deque(maxlen=RECENT)

    def take_troubles(self) -> list[str]:
        """What went wrong since the last time it was asked; each kind is told once."""
        told, self.troubles = self.troubles, []
        return told

    def close(self) -> None:
        """Close an object that has something to close (a connection, a process)."""
        close = getattr(self.function, "close", None)
        if callable(close):
            try:
                run_own(close)
            except OwnCodeError as error:
                self._fail("close", 0, f"closing it raised {error.reason}")

    def call(self, count: int, *arguments: Any) -> Any:
        """What the function returned, or `FAILED` with the failure noted for `count` replies.

        Raises StoppedError when calls keep running out of time.
        """
        late = False
        try:
            return within(self.timeout_s, run_own, self.function, *arguments)
        except OwnCodeError as error:
            self._fail(f"raised {error.kind}", count, f"raised {error.reason}")
        except Expired:
            late = True
            self._fail("timeout", count, f"took longer than train.reward_timeout_s = {self.timeout_s:g} s")
        finally:
            self._timeouts.append(late)
        self._stop_if_it_keeps_on()
        return FAILED

    def called_for_list(self, count: int, *arguments: Any) -> list[float]:
        """`count` numbers from one call, all NaN where it failed; UsageError for what is no list of that length."""
        found = self.call(count, *arguments)
        if found is FAILED:
            return [math.nan] * count
        noun, each = f"{self.kind.noun} {self.name}", f"one float per {self.kind.one}"
        if not isinstance(found, list | tuple):
            raise UsageError(f"{noun} returned {found!r:.80} ({type(found).__name__})",
                             f"a list with {each}", "Mend the reward function (arrays: .tolist()).")
        if len(found) != count:
            raise UsageError(f"{noun} returned {len(found)} values for {count} {self.kind.many}", each,
                             "Mend the reward function.")
        return [self.number(value) for value in found]

    def number(self, value: object) -> float:
        """A value that the function gave as a float, NaN for a failed call; UsageError for what is no number."""
        if value is FAILED:
            return math.nan
        found = number(self.name, value, self.kind.noun, self.kind.one)
        if not math.isfinite(found):
            self._fail("not finite", 1, f"returned {found}")
        return found

    def _stop_if_it_keeps_on(self) -> None:
        if sum(self._timeouts) >= MAX_TIMEOUTS:
            raise StoppedError(f"{self.kind.noun} {self.name} took longer than {self.timeout_s:g} s in "
                               f"{sum(self._timeouts)} of {len(self._timeouts)} calls",
                               f"fewer than {MAX_TIMEOUTS} of {RECENT}",
                               "Mend the reward function or raise train.reward_timeout_s.")

    def _fail(self, kind: str, count: int, what: str) -> None:
        if kind not in self.failures:
            self.troubles.append(f"{self.kind.noun} {self.name} {what}")
        self.failures[kind] += count


def checked(name: str, function: Any, kind: Kind) -> Callable[..., Any]:
    """The function itself; `UsageError` for what cannot be called with the kind's arguments."""
    setting, do = kind.setting, "See docs/rewards.md."
    if not callable(function) or inspect.isclass(function):
        what = "a class" if inspect.isclass(function) else f"{type(function).__name__}, which cannot be called"
        raise UsageError(f"{setting}: {name} is {what}", kind.expected, do)
    called = function if inspect.isroutine(function) else function.__call__
    if inspect.iscoroutinefunction(called) or inspect.isgeneratorfunction(called):
        raise UsageError(f"{setting}: {name} is asynchronous or a generator", kind.expected, do)
    try:
        signature = inspect.signature(function)
    except ValueError:  # functions written in C may not tell
        return function
    try:
        signature.bind(*kind.arguments)
    except TypeError as error:
        raise UsageError(f"{setting}: {name}{signature} cannot be called with ({', '.join(kind.arguments)}): {error}",
                         kind.expected, do) from error
    return function


def number(name: str, value: object, noun: str = "reward", one: str = "reply") -> float:
    """`value` as a float, infinite when too large for one; `UsageError` for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise UsageError(f"{noun} {name} returned {value!r:.80} ({type(value).__name__})", f"one float per {one}",
                         "Mend the reward function.")
    try:
        return float(value)
    except OverflowError:
        return math.inf

"""A reward function of the user's own: checked when it is loaded, called under a deadline, its failures counted."""

import inspect
import math
import numbers
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from strive.configs.errors import StoppedError, UsageError
from strive.stages.tasks.plugins import OwnCodeError, load_plugin, run_own
from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.deadline import Expired, within

SETTING = "train.rewards"
MAX_TIMEOUTS = 3
"""Calls of one reward that may run out of time among its last `RECENT`; then the run stops."""
RECENT = 100
MARK = "is_batch_reward"
FAILED = object()

F = TypeVar("F", bound=Callable[..., Any])


def batch_reward(function: F) -> F:
    """Marks a reward that takes a step's rollouts at once: `(samples, replies) -> list[float]`, one float each."""
    setattr(function, MARK, True)
    return function


class OwnReward:
    """`module:function`; `values` never raises for what the function does to single replies.

    troubles: what went wrong, in words, once per kind, until `take_troubles` is called.
    failures: replies without a finite number, by kind ("raised KeyError", "timeout", "not finite").
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        self.name, self.timeout_s = name, timeout_s
        plugin = load_plugin(name, SETTING)
        self.file = plugin.files[0]
        self.function: Callable[..., Any] = checked(name, plugin.value)
        self.is_batch = bool(getattr(plugin.value, MARK, False))
        self.failures: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._timeouts: deque[bool] = deque(maxlen=RECENT)

    def values(self, samples: Sequence[Sample], replies: Sequence[Reply]) -> list[float]:
        """One number a reply; NaN where the function gave none: it raised, took too long, returned NaN or infinity.

        Raises UsageError for a value that is no number or a list of another length, StoppedError when calls keep
        running out of time.
        """
        if not self.is_batch:
            return [self._number(self._call(s, r, 1)) for s, r in zip(samples, replies, strict=True)]
        found = self._call(list(samples), list(replies), len(samples))
        if found is FAILED:
            return [math.nan] * len(samples)
        if not isinstance(found, list | tuple):
            raise UsageError(f"reward {self.name} returned {found!r:.80} ({type(found).__name__})",
                             "a list with one float per reply", "Mend the reward function (arrays: .tolist()).")
        if len(found) != len(samples):
            raise UsageError(f"reward {self.name} returned {len(found)} values for {len(samples)} replies",
                             "one float per reply", "Mend the reward function.")
        return [self._number(value) for value in found]

    def take_troubles(self) -> list[str]:
        """What went wrong since the last time it was asked; each kind is told once."""
        told, self.troubles = self.troubles, []
        return told

    def close(self) -> None:
        """Close a reward object that has something to close (a connection, a process)."""
        close = getattr(self.function, "close", None)
        if callable(close):
            try:
                run_own(close)
            except OwnCodeError as error:
                self._fail("close", 0, f"closing it raised {error.reason}")

    def _call(self, first: Any, second: Any, count: int) -> Any:
        """What the function returned, or `FAILED` with the failure noted for `count` replies."""
        late = False
        try:
            return within(self.timeout_s, run_own, self.function, first, second)
        except OwnCodeError as error:
            self._fail(f"raised {error.kind}", count, f"raised {error.reason}")
        except Expired:
            late = True
            self._fail("timeout", count, f"took longer than train.reward_timeout_s = {self.timeout_s:g} s")
        finally:
            self._timeouts.append(late)
        self._stop_if_it_keeps_on()
        return FAILED

    def _stop_if_it_keeps_on(self) -> None:
        if sum(self._timeouts) >= MAX_TIMEOUTS:
            raise StoppedError(f"reward {self.name} took longer than {self.timeout_s:g} s in {sum(self._timeouts)} of "
                               f"{len(self._timeouts)} calls", f"fewer than {MAX_TIMEOUTS} of {RECENT}",
                               "Mend the reward function or raise train.reward_timeout_s.")

    def _number(self, value: object) -> float:
        if value is FAILED:
            return math.nan
        found = number(self.name, value)
        if not math.isfinite(found):
            self._fail("not finite", 1, f"returned {found}")
        return found

    def _fail(self, kind: str, count: int, what: str) -> None:
        if kind not in self.failures:
            self.troubles.append(f"reward {self.name} {what}")
        self.failures[kind] += count


def checked(name: str, function: Any) -> Callable[..., Any]:
    """The function itself; `UsageError` for what cannot be called as `function(sample, reply)`."""
    expected, do = "def reward(sample: Sample, reply: Reply) -> float", "See docs/rewards.md."
    if not callable(function) or inspect.isclass(function):
        kind = "a class" if inspect.isclass(function) else f"{type(function).__name__}, which cannot be called"
        raise UsageError(f"{SETTING}: {name} is {kind}", expected, do)
    called = function if inspect.isroutine(function) else function.__call__
    if inspect.iscoroutinefunction(called) or inspect.isgeneratorfunction(called):
        raise UsageError(f"{SETTING}: {name} is asynchronous or a generator", expected, do)
    try:
        signature = inspect.signature(function)
    except ValueError:  # functions written in C may not tell
        return function
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise UsageError(f"{SETTING}: {name}{signature} cannot be called with (sample, reply): {error}",
                         expected, do) from error
    return function


def number(name: str, value: object) -> float:
    """`value` as a float, infinite when too large for one; `UsageError` for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise UsageError(f"reward {name} returned {value!r:.80} ({type(value).__name__})", "one float per reply",
                         "Mend the reward function.")
    try:
        return float(value)
    except OverflowError:
        return math.inf

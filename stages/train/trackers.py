"""The metrics where people watch them: TensorBoard, W&B, trackio; metrics.jsonl stays the record, whatever they do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from strive.configs.errors import InterruptedRun, MissingError, StriveError
from strive.configs.schema import Config
from strive.stages.reporter import Reporter
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.tracker_writers import Place, TensorBoard, Trackio, WandB, Writer


@dataclass(frozen=True)
class Kind:
    """A tracker by name. words: what is lost without it. extra: what installs its package, "" for a dependency."""

    open: Callable[[Place], Writer]
    words: str
    extra: str = ""


TRACKERS: dict[str, Kind] = {
    "tensorboard": Kind(TensorBoard, "TensorBoard events"),
    "wandb": Kind(WandB, "further W&B rows", "wandb"),
    "trackio": Kind(Trackio, "further trackio rows", "trackio"),
}


def check_trackers(names: Sequence[str]) -> None:
    """`MissingError` (exit 5) for a tracker whose package is not installed."""
    for name in names:
        extra = TRACKERS[name].extra
        if extra and not is_installed(name):
            raise MissingError(f"train.trackers has {name}, and the package {name} is not installed", name,
                               f"Run: pip install strive[{extra}]")


def is_installed(package: str) -> bool:
    """Whether it can be imported; a mere folder of that name, as W&B makes one where it runs, does not count."""
    found = find_spec(package)
    return found is not None and found.origin is not None


def open_trackers(names: Sequence[str], run: RunFolder, config: Config, after_step: int,
                  reporter: Reporter) -> "Tracker":
    """Trackers for the steps after `after_step`; one that cannot be opened is warned of and left out.

    Hold the run's lock; end it with `with` or `close`. With several processes only the first has names.
    """
    return Tracker(names, Place(run, config, after_step, reporter))


class Tracker:
    """Hands rows to every tracker. One that fails, in whatever way, is given up with one warning; training goes on."""

    def __init__(self, names: Sequence[str], place: Place) -> None:
        self.place = place
        self.writers: dict[str, Writer] = {}
        for name in dict.fromkeys(names):
            with Fence(self, name):
                self.writers[name] = TRACKERS[name].open(place)

    def write(self, row: Mapping[str, Any]) -> None:
        """One row of metrics.jsonl; what is not a number is left out."""
        figures = {name: value for name, value in row.items() if name != "step" and isinstance(value, int | float)}
        for name in tuple(self.writers):
            with Fence(self, name):
                self.writers[name].write(row["step"], figures)

    def close(self, code: int = 0) -> None:
        """End all of them; `code` is the run's exit code, 0 when all its steps are done."""
        for name in tuple(self.writers):
            with Fence(self, name):
                self.writers.pop(name).close(code)

    def give_up(self, name: str, error: Exception) -> None:
        """Use this tracker no more, and say so."""
        self.writers.pop(name, None)
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        self.place.reporter.warn(f"no {TRACKERS[name].words} ({reason}); metrics.jsonl has everything")

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close(0 if error is None else error.code if isinstance(error, StriveError) else 1)


class Fence:
    """Around every call into a tracker: its package raises what it likes, and none of it may stop a training run."""

    def __init__(self, tracker: Tracker, name: str) -> None:
        self.tracker, self.name = tracker, name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception) or isinstance(error, InterruptedRun):
            return False
        self.tracker.give_up(self.name, error)
        return True

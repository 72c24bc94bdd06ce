"""What a data stage's work looks like before it is done: items with their keys, and the plan that people read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from strive.cache.store import Artefact, Store
from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages.reporter import Reporter, Silent
from strive.stages.tasks.sample import Sample


@dataclass(frozen=True)
class VideoRef:
    """One video: `id` is its name as the dataset or the user gives it, `path` the absolute path of the file.

    With `member` the file is an archive and the video that member of it. With `url` it is fetched first and `path`
    means nothing.
    """

    id: str
    path: Path
    member: str | None = None
    url: str | None = field(default=None, repr=False)  # may hold secrets: neither shown nor stored


@dataclass(frozen=True, slots=True)
class Item:
    """One artefact to have. `key` is None while an upstream artefact is missing; `blocked` is why it never can be."""

    id: str
    key: str | None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    blocked: str | None = None


@dataclass(frozen=True)
class Product:
    """What making an item gave: file names with their bytes (or a file that holds them), facts for the manifest,
    warnings."""

    files: Mapping[str, bytes | Path]
    meta: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass
class Job:
    """Everything a data stage may look at; `results[stage][item id]` is an artefact or the reason of a failure.

    A job over a large dataset is done in windows of `window` samples (see `windows.py`): each is a job of its own with
    its own results, and `facts`, what stages tell about the whole run, is shared. `locate` finds the video of a name;
    without it `videos` holds them all.
    """

    config: Config
    store: Store
    samples: Sequence[Sample] = ()
    videos_dir: Path | None = None
    videos: list[VideoRef] = field(default_factory=list)
    locate: Callable[[str], VideoRef] | None = None
    window: int | None = None
    reporter: Reporter = field(default_factory=Silent)
    workers: int = 1
    cores: int | None = None  # that may be used; None: all of the machine
    force: bool = False
    fail_fast: bool = False
    engine: str = "local"
    address: str | None = None
    results: dict[str, dict[str, Artefact | str]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)  # items of each stage in the whole run, once they are counted
    todo: int = 0  # items of the stage at work that are to be made in this window

    def upstream(self, stage: str, item_id: str) -> Artefact | str | None:
        """The upstream artefact, the reason why there is none, or None when it is not made yet."""
        return self.results.get(stage, {}).get(item_id)


class Maker(Protocol):
    """Makes items after the stage's set-up."""

    def make(self, item: Item) -> Product:
        """Raises `ItemError` when this item cannot be made."""


class StreamMaker(Maker, Protocol):
    """The maker of a stage with `stream`: it looks at several items at a time."""

    def make_stream(self, items: Iterator[Item]) -> Iterator[tuple[Item, Product | ItemError]]:
        """Pulls items when it has room for them, gives each back once, in any order, with what `make` would give."""


class DataStage(Protocol):
    """A stage whose items are artefacts.

    `parallel` stages are called from several threads at once. A stage may also have `stream = True` (its maker is a
    `StreamMaker`), `batch` (how many finished small products are published together), `group(item)` (a key that is
    claimed for many quick items instead of each one's own) and `note(job, item, artefact)`, called once for each
    artefact that is there or was made.
    """

    name: str
    version: int
    upstream: tuple[str, ...]
    parallel: bool

    def settings(self, config: Config) -> dict[str, Any]:
        """The config values that enter this stage's keys."""

    def items(self, job: Job) -> list[Item]:
        """Cheap: digests and keys only, nothing heavy is imported."""

    def open(self, job: Job) -> AbstractContextManager[Maker]:
        """Heavy set-up, entered only when something is to do; `job` may be the first of several windows."""


@dataclass(frozen=True)
class StagePlan:
    """How many items of one stage are there, are to be made, wait for the stage before, or cannot be made.

    `item_bytes` is what one is expected to take on disk, None where nothing is known; `measured`: by what lies in the
    cache, not by a guess from the settings.
    """

    stage: str
    unit: str
    cached: int = 0
    todo: int = 0
    blocked: int = 0
    waiting: int = 0
    changed: tuple[str, ...] = ()
    item_bytes: float | None = None
    measured: bool = False

    @property
    def total(self) -> int:
        return self.cached + self.todo + self.blocked + self.waiting

    @property
    def writes_bytes(self) -> int:
        """Expected bytes of everything that may be made; 0 where nothing is known."""
        return round((self.todo + self.waiting) * (self.item_bytes or 0))

    def plus(self, other: "StagePlan") -> "StagePlan":
        """The plan of both parts."""
        return replace(self, cached=self.cached + other.cached, todo=self.todo + other.todo,
                       blocked=self.blocked + other.blocked, waiting=self.waiting + other.waiting)

    def counts(self) -> dict[str, int]:
        """The figures by name."""
        return {"total": self.total, "cached": self.cached, "todo": self.todo, "waiting": self.waiting,
                "blocked": self.blocked}

    def line(self) -> str:
        """One line of the plan."""
        parts = [f"{self.stage:<9}{self.total:>6} {self.unit}", f"{self.cached:>6} cached", f"{self.todo:>6} to do"]
        if self.waiting:
            parts.append(f"{self.waiting:>6} after the stage before")
        if self.blocked:
            parts.append(f"{self.blocked} impossible")
        if self.changed and (self.todo or self.waiting):
            parts.append(f"stale: {', '.join(self.changed)}")
        return "  ".join(parts)

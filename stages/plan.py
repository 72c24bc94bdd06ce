"""What a data stage's work looks like before it is done: items with their keys, and the plan that people read."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strive.cache.store import Artefact, Store
from strive.configs.schema import Config
from strive.stages.reporter import Reporter, Silent
from strive.stages.tasks.sample import Sample


@dataclass(frozen=True)
class VideoRef:
    """One video file: `id` is the path as the dataset or the user gives it, relative; `path` is absolute."""

    id: str
    path: Path


@dataclass(frozen=True)
class Item:
    """One artefact to have. `key` is None while an upstream artefact is missing; `blocked` is why it never can be."""

    id: str
    key: str | None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    blocked: str | None = None


@dataclass(frozen=True)
class Product:
    """What making an item gave: file names with their bytes, facts for the manifest, warnings."""

    files: Mapping[str, bytes]
    meta: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass
class Job:
    """Everything a data stage may look at; `results[stage][item id]` is an artefact or the reason of a failure."""

    config: Config
    store: Store
    samples: list[Sample] = field(default_factory=list)
    videos_dir: Path | None = None
    videos: list[VideoRef] = field(default_factory=list)
    reporter: Reporter = field(default_factory=Silent)
    workers: int = 1
    force: bool = False
    fail_fast: bool = False
    results: dict[str, dict[str, Artefact | str]] = field(default_factory=dict)

    def upstream(self, stage: str, item_id: str) -> Artefact | str | None:
        """The upstream artefact, the reason why there is none, or None when it is not made yet."""
        return self.results.get(stage, {}).get(item_id)


class Maker(Protocol):
    """Makes one item after the stage's set-up."""

    def make(self, item: Item) -> Product:
        """Raises `ItemError` when this item cannot be made."""


class DataStage(Protocol):
    """A stage whose items are artefacts. `parallel` stages are called from several threads at once."""

    name: str
    version: int
    upstream: tuple[str, ...]
    parallel: bool

    def settings(self, config: Config) -> dict[str, Any]:
        """The config values that enter this stage's keys."""

    def items(self, job: Job) -> list[Item]:
        """Cheap: digests and keys only, nothing heavy is imported."""

    def open(self, job: Job) -> AbstractContextManager[Maker]:
        """Heavy set-up, entered only when something is to do."""


@dataclass(frozen=True)
class StagePlan:
    """The items of one stage by what must happen to them."""

    stage: str
    unit: str
    cached: tuple[Item, ...]
    todo: tuple[Item, ...]
    blocked: tuple[Item, ...]
    waiting: tuple[Item, ...]
    changed: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return len(self.cached) + len(self.todo) + len(self.blocked) + len(self.waiting)

    def line(self) -> str:
        """One line of the plan."""
        parts = [
            f"{self.stage:<9}{self.total:>6} {self.unit}",
            f"{len(self.cached):>6} cached",
            f"{len(self.todo):>6} to do",
        ]
        if self.waiting:
            parts.append(f"{len(self.waiting):>6} after the stage before")
        if self.blocked:
            parts.append(f"{len(self.blocked)} impossible")
        if self.changed and (self.todo or self.waiting):
            parts.append(f"stale: {', '.join(self.changed)}")
        return "  ".join(parts)

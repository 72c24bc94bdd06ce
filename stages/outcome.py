"""What a stage did: counted while it goes, shown as progress, and kept as the summary that `strive status` reads."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from strive.cache.store import Artefact
from strive.configs.errors import MissingError, StoppedError
from strive.configs.urls import shown_command
from strive.stages import registry
from strive.stages.plan import DataStage, Item, Job


@dataclass
class StageOutcome:
    """What a stage did: counts, failures as `{"id", "reason"}`, wall seconds, bytes of the artefacts there are."""

    stage: str
    done: int = 0
    cached: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    size_bytes: int = 0

    @property
    def over(self) -> int:
        """Items that are through."""
        return self.done + self.cached + len(self.failed)


class Books:
    """Books one stage's results over all windows of a run; safe to call from several threads."""

    def __init__(self, stage: DataStage, total: int | None) -> None:
        """`total`: items in the whole run where they have been counted, else what the windows bring is added up."""
        self.stage, self.outcome = stage, StageOutcome(stage.name)
        self.total, self.is_counted = total or 0, total is not None
        self._seen: set[int] | None = set() if registry.UNITS[stage.name] == "videos" else None
        self.reasons: dict[str, str] = {}  # of failed items: a later window does not try them again
        self._lock = threading.Lock()
        self._keys: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (lives as long as this)

    def is_new(self, item: Item) -> bool:
        """Whether no earlier window had this item: questions far apart share videos."""
        if self._seen is None:
            return True
        mark = hash(item.id)
        if mark in self._seen:
            return False
        self._seen.add(mark)
        return True

    def there(self, item: Item, artefact: Artefact) -> None:
        """An artefact that is there, made now or before."""
        with self._lock:
            self._keys.write(f"{artefact.key} {json.dumps(item.id)}\n")
            self.outcome.size_bytes += artefact.size_bytes

    def cached(self, job: Job, item: Item) -> None:
        """An item that needs no work."""
        artefact = job.results[self.stage.name][item.id]
        assert isinstance(artefact, Artefact)
        self.outcome.cached += 1
        self.there(item, artefact)

    def fail(self, item: Item, reason: str) -> None:
        """An item that has no artefact."""
        with self._lock:
            if item.id not in self.reasons:
                self.outcome.failed.append({"id": item.id, "reason": reason})
            self.reasons[item.id] = reason

    def made(self, job: Job, item: Item, result: Artefact | str | None) -> None:
        """One item's result: the artefact, the reason of a failure, or None when another run made it meanwhile."""
        self.is_new(item)
        if result is None:
            result = job.store.find(self.stage.name, item.key or "") or "made by another run and gone again"
            self.outcome.cached += isinstance(result, Artefact)
        elif isinstance(result, Artefact):
            self.outcome.done += 1
        job.results[self.stage.name][item.id] = result
        if isinstance(result, Artefact):
            self.there(item, result)
            self.note(job, item, result)
            result.light()
        else:
            self.fail(item, result)
            if job.fail_fast:
                raise StoppedError(f"{self.stage.name}: {item.id}: {result}", "no failure (--fail-fast)",
                                   "Mend or remove the item.")
        self.show(job, item)

    def note(self, job: Job, item: Item, artefact: Artefact) -> None:
        """Let the stage look at an artefact that is there, if it wants to."""
        note = getattr(self.stage, "note", None)
        if note is not None:
            note(job, item, artefact)

    def show(self, job: Job, item: Item) -> None:
        """Tell the progress over the whole run."""
        out = self.outcome
        total = max(self.total, out.over)
        job.reporter.progress(self.stage.name, out.done + out.cached, total, len(out.failed), item.id)

    def remember(self, job: Job, whole: bool) -> None:
        """Leave the summary that `strive status` shows, and when the stage is through the keys that it has.

        A stage that made nothing goes without where nothing can be written: a read-only cache serves what it has.
        """
        try:
            self._keep(job, whole)
        except MissingError:
            if self.outcome.done:
                raise

    def _keep(self, job: Job, whole: bool) -> None:
        out = self.outcome
        job.store.remember(f"last-run/{self.stage.name}", {
            "stage": self.stage.name, "command": shown_command(["strive", *sys.argv[1:]]),
            "total": max(self.total, out.over), "done": out.done, "cached": out.cached,
            "failed": out.failed, "seconds": round(out.seconds, 3), "finished": time.time(), "bytes": out.size_bytes,
            "settings": self.stage.settings(job.config),
            "version": self.stage.version,
        })
        if whole:
            job.store.index.remember_list(f"last-run/{self.stage.name}", self._rows())

    def _rows(self) -> Iterator[tuple[str, str]]:
        """(key, item id) of each artefact."""
        with self._lock:
            self._keys.seek(0)
            for line in self._keys:
                key, _, name = line.partition(" ")
                yield key, json.loads(name)
            self._keys.seek(0, 2)

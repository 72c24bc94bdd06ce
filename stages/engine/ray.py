"""Makes items on a Ray cluster: every worker runs the local engine on its machine and publishes into the shared cache.

There is a worker for each CPU, which decodes videos and writes bundles, and one for each GPU, where CLIP computes (on
the CPUs where there is no GPU). A worker keeps its decoding child or its model from call to call. Nothing but items and
keys travels: the results lie in the cache, which all machines must see under one path.
"""

import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from strive.cache.store import Artefact
from strive.configs.errors import (
    LockedError,
    MissingError,
    StoppedError,
    StriveError,
    UsageError,
    VerificationError,
)
from strive.stages.engine.worker import Worker
from strive.stages.interrupt import StopFlag
from strive.stages.plan import DataStage, Item, Job

CALLS_IN_FLIGHT = 2
"""Calls that a worker has: one at work, one waiting, so that it never idles and never hoards."""
ITEMS_A_CALL = {"score": 128, "embed": 4, "variants": 8}
CPU, GPU = "CPU", "GPU"
SEEN_WITHIN_S = 90.0
ATTEMPTS = 3
"""Workers that may die over an item before it counts as failed."""


@dataclass
class Call:
    """Some items on their way to a worker."""

    worker: Any
    items: list[Item]


@dataclass
class Crew:
    """Workers of one kind, and what they are doing."""

    workers: list[Any] = field(default_factory=list)
    going: dict[Any, Call] = field(default_factory=dict)

    def free(self) -> Any | None:
        """A worker with room for another call, the least busy first."""
        load = {id(one): 0 for one in self.workers}
        for call in self.going.values():
            load[id(call.worker)] = load.get(id(call.worker), 0) + 1
        least = min(self.workers, key=lambda one: load[id(one)], default=None)
        return least if least is not None and load[id(least)] < CALLS_IN_FLIGHT else None


class RayEngine:
    """Joins the cluster with the first item that is to be made; `MissingError` without Ray, without a cluster, or where
    a worker sees another cache."""

    def __init__(self, job: Job) -> None:
        self.crews: dict[str, Crew] = {}
        self.store, self.token, self.ours = job.store, uuid.uuid4().hex, False
        self.ray: Any = None

    def join(self, job: Job) -> None:
        """Connect, and leave in the cache what workers must see there."""
        self.ray = import_ray()
        trouble = self.ray.exceptions
        self.deadly = (trouble.RayActorError, trouble.OutOfMemoryError, trouble.WorkerCrashedError)
        self.ours = not self.ray.is_initialized()
        if self.ours:
            connect(self.ray, job)
        self.store.remember(f"cluster/{self.token}", {"token": self.token})

    def make_all(self, stage: DataStage, job: Job, todo: Sequence[Item], replace: bool,
                 record: Callable[[Item, Any], None], stop: StopFlag) -> None:
        """Hand the items out, a few at a time, and book what comes back; a lost worker's items are handed out again."""
        if self.ray is None:
            self.join(job)
        crew = self.crews.setdefault(kind_of(self.ray.cluster_resources(), stage.name, job), Crew())
        waiting, deaths, by_key = deque(todo), dict[str, int](), {item.key: item for item in todo}
        self.fill(crew, stage, job, len(todo))
        while crew.going or (waiting and stop.code is None):
            while waiting and stop.code is None and (worker := crew.free()) is not None:
                self.send(crew, worker, stage, waiting, deaths, replace)
            for done in self.ray.wait(list(crew.going), num_returns=1, timeout=1.0)[0]:
                call = crew.going.pop(done)
                try:
                    answer = self.ray.get(done)
                except self.deadly as error:
                    self.lost(crew, call, stage, job, waiting, deaths, record, str(error))
                    continue
                self.book(job, stage, answer, by_key, record)

    def fill(self, crew: Crew, stage: DataStage, job: Job, count: int) -> None:
        """Start workers up to what the cluster has and the items need."""
        calls = -(-count // ITEMS_A_CALL.get(stage.name, 1))
        resources = self.ray.cluster_resources()
        room = int(resources.get(kind_of(resources, stage.name, job), 1))
        wanted = max(1, min(room, job.workers or room, calls))
        crew.workers += [self.start(stage, job) for _ in range(wanted - len(crew.workers))]

    def start(self, stage: DataStage, job: Job) -> Any:
        """A new worker; Ray restarts nothing by itself, so that what was lost is known."""
        on_gpu = kind_of(self.ray.cluster_resources(), stage.name, job) == GPU
        needs = {"num_gpus": 1, "num_cpus": 0} if on_gpu else {"num_cpus": 1}  # the CPUs may all be taken
        return self.ray.remote(Worker).options(**needs, max_restarts=0).remote(
            job.config.model_dump(mode="json"), str(job.store.root), self.token)

    def send(self, crew: Crew, worker: Any, stage: DataStage, waiting: "deque[Item]", deaths: dict[str, int],
             replace: bool) -> None:
        """The next items to a worker; what a worker died over goes alone."""
        items = [waiting.popleft()]
        while waiting and len(items) < ITEMS_A_CALL.get(stage.name, 1) and not (
            items[0].id in deaths or waiting[0].id in deaths
        ):
            items.append(waiting.popleft())
        crew.going[worker.make.remote(stage.name, items, replace)] = Call(worker, items)

    def lost(self, crew: Crew, call: Call, stage: DataStage, job: Job, waiting: "deque[Item]", deaths: dict[str, int],
             record: Callable[[Item, Any], None], why: str) -> None:
        """A worker died: another takes its place, and the items of its calls come again."""
        if call.worker in crew.workers:
            crew.workers.remove(call.worker)
            crew.workers.append(self.start(stage, job))
            job.reporter.warn(f"{stage.name}: a worker died ({first_line(why)}); its items are made again")
        for item in call.items:
            deaths[item.id] = deaths.get(item.id, 0) + 1
            if deaths[item.id] < ATTEMPTS:
                waiting.append(item)
            else:
                record(item, f"{ATTEMPTS} workers died over it: {first_line(why)}")

    def book(self, job: Job, stage: DataStage, answer: dict[str, Any], by_key: dict[str | None, Item],
             record: Callable[[Item, Any], None]) -> None:
        """Tell what a worker said, raise what stopped it, record what it made."""
        for text in answer["warnings"]:
            job.reporter.warn(text)
        for text in answer["infos"]:
            job.reporter.info(text)
        for key, state, reason in answer["results"]:
            found = reason if state == "failed" else self.seen(stage.name, key)
            record(by_key[key], None if state == "there" and isinstance(found, Artefact) else found)
        if answer["error"] is not None:
            raise as_error(answer["error"])

    def seen(self, stage: str, key: str) -> Artefact | str:
        """What a worker has published, once this machine sees it: network file systems remember what was not there."""
        deadline = time.monotonic() + SEEN_WITHIN_S
        while (found := self.store.find(stage, key)) is None and time.monotonic() < deadline:
            time.sleep(0.5)
        return found or f"made by a worker, but not seen in this cache within {SEEN_WITHIN_S:.0f} s"

    def close(self) -> None:
        """Let all workers go, and the connection if it was made here."""
        if self.ray is None:
            return
        for crew in self.crews.values():
            for worker in crew.workers:
                self.ray.kill(worker)
        self.store.index.forget(f"cluster/{self.token}")
        if self.ours:
            self.ray.shutdown()


def import_ray() -> Any:
    """The ray module, or `MissingError` that names the extra."""
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingError(f"--engine ray: Ray cannot be loaded ({error})", "the extra ray",
                           "Install it: pip install 'strive[ray]'") from error
    return ray


def connect(ray: Any, job: Job) -> None:
    """Join the cluster at `job.address` (or the one that RAY_ADDRESS names), else start one on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own = job.address is None and not os.environ.get("RAY_ADDRESS")
    more = {"include_dashboard": False, "num_cpus": max(job.workers, 1) if job.workers else None} if own else {}
    try:
        ray.init(address=job.address, log_to_driver=False, logging_level="error", configure_logging=True, **more)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise MissingError(f"--engine ray: no cluster ({first_line(str(error))})", "a running Ray cluster",
                           "Start one (ray start --head), check --address, or leave --engine away.") from error


def kind_of(resources: dict[str, float], stage: str, job: Job) -> str:
    """What a worker of the stage computes on: a GPU where the stage runs CLIP and the cluster has one, else a CPU."""
    score = job.config.score
    is_model = stage in ("embed", "score") and score.scorer == "clip" and score.device in ("auto", "cuda")
    return GPU if is_model and resources.get(GPU) else CPU


def as_error(said: dict[str, Any]) -> StriveError:
    """The error that a worker met, as it would be here."""
    kinds = {kind.code: kind for kind in (UsageError, StoppedError, MissingError, VerificationError, LockedError)}
    return kinds.get(said["code"], StriveError)(said["what"], said["expected"], said["do"])


def first_line(text: str) -> str:
    """What an error says, short."""
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else "it said nothing"

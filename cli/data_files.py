"""Several dataset files in one command: `--data FILE[=WEIGHT]` as typed, their videos, the work that they need."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strive.cli.session import Session, job_over
from strive.configs.errors import UsageError

if TYPE_CHECKING:
    from strive.cache.store import Artefact
    from strive.stages.plan import Job, StagePlan
    from strive.stages.tasks.sample import Sample
    from strive.stages.train.questions.order import Source

FORM = "--data FILE or --data FILE=WEIGHT, as in --data a.jsonl --data b.jsonl=2"


@dataclass(frozen=True)
class DataFile:
    """One `--data`: `name` tells it from the others, `weight` is its relative share of the questions drawn."""

    path: Path
    name: str
    weight: float
    videos: Path


def data_files(data: Sequence[str], videos: Sequence[Path]) -> list[DataFile]:
    """The files as typed; `UsageError` for a weight that is none, a file given twice, folders that do not pair up."""
    parsed = [file_and_weight(text) for text in data]
    paths = [path for path, _ in parsed]
    twice = next((path for place, path in enumerate(paths) if absolute(path) in map(absolute, paths[:place])), None)
    if twice is not None:
        raise UsageError(f"--data {twice} is given twice", "each file once",
                         f"To draw it twice as often, give it a weight: --data {twice}=2.")
    if len(videos) not in (0, 1, len(paths)):
        raise UsageError(f"{len(videos)} --videos for {len(paths)} --data", "one --videos for all, or one for each",
                         "Give the folders in the order of the files.")
    folders = [path.parent for path in paths] if not videos else list(videos) * (len(paths) if len(videos) == 1 else 1)
    return [DataFile(path, name, weight, folder)
            for (path, weight), name, folder in zip(parsed, names_of(paths), folders, strict=True)]


def file_and_weight(text: str) -> tuple[Path, float]:
    """`FILE=2` as file and weight; a file that is there under the whole name wins, and has weight 1."""
    name, found, tail = text.rpartition("=")
    if not found or Path(text).exists():
        return Path(text), 1.0
    try:
        weight = float(tail)
    except ValueError:
        if not Path(name).is_file():
            return Path(text), 1.0
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"--data {text}: the weight {tail!r} is no positive number", FORM, f"Try --data {name}=2.")
    return Path(name), weight


def names_of(paths: Sequence[Path]) -> list[str]:
    """The files' names, with as many folders before them as it takes to tell them apart."""
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def absolute(path: Path) -> str:
    """The path without links, to see whether two are the same file."""
    return os.path.realpath(path)


class Upstream:
    """What must be made of the files' samples before training: a job of data stages for each folder of videos."""

    def __init__(self, session: Session, files: Sequence[DataFile], follow_links: bool) -> None:
        """Reads the files. Raises UsageError for what is wrong in one, or for an id that two of them use."""
        from strive.stages.tasks.dataset import read_dataset

        self.files = files
        self.samples = {file.name: read_dataset(file.path) for file in files}
        refuse_shared_ids(files, self.samples)
        self.samples = {name: samples[: session.options.limit] for name, samples in self.samples.items()}
        folders: dict[str, tuple[Path, list[Sample]]] = {}
        for file in files:
            folders.setdefault(absolute(file.videos), (file.videos, []))[1].extend(self.samples[file.name])
        self.jobs: list[Job] = [job_over(session, samples, folder, follow_links)
                                for folder, samples in folders.values()]
        for job in self.jobs:
            job.force = False  # --force starts the run over; its bundles are as good as new

    def plans(self) -> "list[StagePlan]":
        """The plan of each data stage, over all folders."""
        from strive.stages import registry
        from strive.stages.runner import plan_stage

        return [combined([plan_stage(name, job) for job in self.jobs]) for name in registry.chain("variants")]

    def made(self) -> "list[Artefact]":
        """The bundles that are there already, once `plans` has looked."""
        from strive.cache.store import Artefact

        found = [one for job in self.jobs for one in job.results.get("variants", {}).values()]
        return [one for one in found if isinstance(one, Artefact)]

    def make(self) -> "tuple[list[tuple[str, Artefact]], list[dict[str, str]]]":
        """The bundles there are, made where missing, and the samples that have none, with the reason."""
        from strive.cache.store import Artefact
        from strive.stages.runner import run_chain

        bundles, failed = [], []
        for job in self.jobs:
            failed += run_chain("variants", job)["variants"].failed
            found = job.results["variants"]
            bundles += [(name, one) for name, one in found.items() if isinstance(one, Artefact)]
        return bundles, failed

    def sources(self, ids: Iterable[str] | None = None) -> "list[Source]":
        """What the files' questions (those among `ids`) are drawn from."""
        from strive.stages.train.questions.order import Source
        from strive.stages.train.questions.sources import narrowed

        whole = [Source(file.name, [sample.id for sample in self.samples[file.name]], file.weight)
                 for file in self.files]
        return whole if ids is None else narrowed(whole, set(ids))

    @property
    def count(self) -> int:
        """How many samples there are."""
        return sum(map(len, self.samples.values()))


def combined(plans: "Sequence[StagePlan]") -> "StagePlan":
    """The plans of one stage for several jobs, as one."""
    first, *others = plans
    for other in others:
        first = first.plus(other)
    return first


def refuse_shared_ids(files: Sequence[DataFile], samples: "dict[str, list[Sample]]") -> None:
    """`UsageError` naming file and row of both questions that have one id."""
    owner: dict[str, DataFile] = {}
    for file in files:
        for sample in samples[file.name]:
            first = owner.setdefault(sample.id, file)
            if first is not file:
                rows = [f"{one.path}, row {row_of(one.path, sample.id)}" for one in (first, file)]
                raise UsageError(f"id {sample.id!r} is in two files: {rows[0]}, and {rows[1]}",
                                 "ids that occur once over all --data", "Give one of the two questions another id.")


def row_of(path: Path, sample_id: str) -> int:
    """The row number, from 1, of a sample that is in the file."""
    from strive.stages.tasks.dataset import checked_rows

    return next(number for number, one in checked_rows(path)
                if not isinstance(one, UsageError) and one.id == sample_id)

"""The runs of a comparison as tasks for child processes, each with all it needs in one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from strive.cache.atomic import write_json
from strive.cache.digest import digest_file
from strive.configs.schema import Config
from strive.stages.compare import groups
from strive.stages.compare.layout import Layout
from strive.stages.compare.material import Material, bundle_list, held_out_list
from strive.stages.compare.plan import Entry, Plan, changed
from strive.stages.compare.results import VIEWS

BASE = "base policy"


@dataclass(frozen=True)
class Spec:
    """What a child does: `kind` train (and measure), base (measure the policy before training), or groups.

    folder: where the results lie. config: train's, whose eval section is that of the uniform view. reference: config
    of evaluations, with the section eval of this arm. bundles, held_out: lists of bundles. rounds: groups of each
    question.
    """

    kind: str
    arm: str
    seed: int
    folder: str
    cache: str
    config: dict[str, Any]
    reference: dict[str, Any]
    train: str
    evaluation: str
    eval_videos: str
    follow_links: bool
    bundles: str
    held_out: str
    views: tuple[str, ...]
    rounds: int = 0


@dataclass(frozen=True)
class Task:
    """A run to be done: `name` as people read it, `done` is the file that says it is finished."""

    name: str
    spec: Spec
    file: Path
    log: Path
    done: Path

    def write(self) -> None:
        """Leave the spec for the child."""
        write_json(self.file, asdict(self.spec))

    def finish(self, seconds: float) -> None:
        """Say that it is done, with the digests of what it left."""
        folder = Path(self.spec.folder)
        names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if counts(path)]
        write_json(self.done, {"seconds": round(seconds, 3),
                               "files": {name: digest_file(folder / name) for name in names}})

    def seconds(self) -> float | None:
        """The wall-clock time of a finished run; None when it is not, or what it left is no longer what it was."""
        try:
            found = json.loads(self.done.read_bytes())
            same = all(digest_file(Path(self.spec.folder) / name) == digest for name, digest in found["files"].items())
        except (OSError, ValueError, KeyError):
            return None
        return float(found["seconds"]) if same else None


def counts(path: Path) -> bool:
    """Whether a comparison reads this file of a run."""
    return path.name in ("metrics.jsonl", "results.json", "predictions.jsonl", "groups.jsonl", "agreement.json")


def all_tasks(plan: Plan, material: Material, layout: Layout, store: Path,
              views: tuple[str, ...] = VIEWS) -> list[Task]:
    """The base policy first, then seed by seed all recipes, then their groups."""
    maker = TaskMaker(plan, material, layout, store, views)
    tasks = [maker.make("base", plan.base, 0)]
    tasks += [maker.make("train", entry, seed) for seed in plan.seeds for entry in plan.entries]
    return tasks + [maker.groups(folder, entries) for folder, entries in wanted_groups(plan, layout).items()]


def wanted_groups(plan: Plan, layout: Layout) -> dict[Path, list[Entry]]:
    """Folder -> the recipes whose groups are rolled out into it; {} when none are asked for."""
    return groups.distinct(plan.entries, layout) if plan.rounds else {}


@dataclass(frozen=True)
class TaskMaker:
    """Puts tasks together."""

    plan: Plan
    material: Material
    layout: Layout
    store: Path
    views: tuple[str, ...]

    def make(self, kind: str, entry: Entry, seed: int) -> Task:
        """Training with one seed, or measuring the base policy."""
        name = entry.arm.name
        folder, label = (self.layout.base, BASE) if kind == "base" else (self.layout.run(name, seed),
                                                                         f"{name} seed {seed}")
        return self.task(label, self.spec(kind, entry, changed(entry.config, "train", {"seed": seed}), folder))

    def groups(self, folder: Path, entries: list[Entry]) -> Task:
        """Rolling out the groups that some recipes have in common."""
        label = f"groups of {', '.join(entry.arm.name for entry in entries)}"
        spec = self.spec("groups", entries[0], groups.as_rolled_out(entries[0].config), folder)
        return self.task(label, replace(spec, rounds=self.plan.rounds))

    def task(self, label: str, spec: Spec) -> Task:
        """The task of a spec, with the files that go with it."""
        work = self.layout.work
        place = Path(spec.folder).relative_to(self.layout.out).as_posix().replace("/", "__")
        done = f"{place}__{spec.rounds}" if spec.rounds else place
        return Task(label, spec, work / "specs" / f"{place}.json", work / "logs" / f"{place}.txt",
                    work / "done" / f"{done}.json")

    def spec(self, kind: str, entry: Entry, config: Config, folder: Path) -> Spec:
        """All that the child needs to know."""
        material = self.material
        reference = self.plan.reference.model_copy(update={"eval": config.eval, "train": config.train})
        return Spec(kind, entry.arm.name, config.train.seed, str(folder), str(self.store), plain(config),
                    plain(reference), str(material.train), str(material.evaluation), str(material.eval_videos),
                    material.follow_links, str(bundle_list(self.layout, config)), str(held_out_list(self.layout)),
                    self.views)


def plain(config: Config) -> dict[str, Any]:
    """A config as JSON."""
    return config.model_dump(mode="json")


def read_spec(path: Path) -> Spec:
    """The spec that a task has left."""
    found: Mapping[str, Any] = json.loads(path.read_bytes())
    return Spec(**{**found, "views": tuple(found["views"])})

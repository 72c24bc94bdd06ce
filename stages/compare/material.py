"""The data of a comparison: questions to train on and held-out ones, and all that the data stages make of them once."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from strive.cache.atomic import write_json
from strive.cache.digest import digest_json
from strive.cache.runs import record_run
from strive.cache.store import Artefact, Store
from strive.configs.errors import MissingError, UsageError
from strive.configs.schema import Config
from strive.stages.compare.layout import Layout
from strive.stages.compare.plan import Entry, Plan
from strive.stages.demo.world import write_world
from strive.stages.plan import Job
from strive.stages.reporter import Reporter
from strive.stages.runner import run_chain
from strive.stages.tasks.dataset import read_dataset
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.videos import video_ref

DATA_SECTIONS = ("extract", "score", "variants")
HELD_OUT = "held_out"


@dataclass(frozen=True)
class Material:
    """Where the questions lie: dataset files and the folders of their videos. limit: only the first so many to train
    on."""

    train: Path
    videos: Path
    evaluation: Path
    eval_videos: Path
    follow_links: bool = False
    limit: int | None = None
    is_demo: bool = False


def demo_world(layout: Layout, limit: int | None) -> Material:
    """The built-in world of a comparison, not yet written."""
    world = layout.world
    return Material(world / "train.jsonl", world / "videos", world / "eval.jsonl", world / "videos", limit=limit,
                    is_demo=True)


def check(material: Material) -> None:
    """`UsageError` for dataset files that cannot be used, before anything is made; the demo world is ours."""
    if material.is_demo:
        return
    for path, limit in ((material.train, material.limit), (material.evaluation, None)):
        if not path.is_file():
            raise MissingError(f"{path}: no such file", "a dataset file", "Check --data and --eval-data.")
        if not read_dataset(path)[:limit]:
            raise UsageError(f"{path}: no questions", "at least one", "Check --data and --eval-data.")


def bundle_list(layout: Layout, config: Config) -> Path:
    """The file that lists the bundles of recipes with these settings of the data stages."""
    settings = {section: getattr(config, section).result_keys() for section in DATA_SECTIONS}
    return layout.work / "bundles" / f"{digest_json(settings)[7:23]}.json"


def held_out_list(layout: Layout) -> Path:
    """The file that lists the bundles of held-out questions."""
    return layout.work / "bundles" / f"{HELD_OUT}.json"


def make(material: Material, plan: Plan, layout: Layout, store: Store, reporter: Reporter, workers: int) -> None:
    """Frames, scores and bundles, each once however many recipes use it; lists of them under OUT/work.

    All recipes train on the same questions: one that has no bundle for some recipe is left out for all.
    """
    if material.is_demo:
        reporter.info("compare: writing the demo world")
        demo = plan.base.config.demo
        write_world(layout.world, demo.seed, demo.train_videos, demo.eval_videos)
    makers = Makers(store, reporter, workers, material.follow_links)
    samples = read_dataset(material.train)[:material.limit]
    found: dict[Path, dict[str, Artefact]] = {}
    lost: dict[str, str] = {}
    for entry in distinct(plan.entries, layout):
        bundles, failed = makers.bundles(entry.config, samples, material.videos)
        found[bundle_list(layout, entry.config)] = bundles
        lost |= failed
    held_out, unshown = makers.bundles(plan.reference, read_dataset(material.evaluation), material.eval_videos)
    write_list(held_out_list(layout), held_out)
    for path, bundles in found.items():
        write_list(path, {name: one for name, one in bundles.items() if name not in lost})
    write_json(layout.work / "lost.json", {"train": lost, "eval": unshown})
    record_run(store, layout.out, [one for bundles in (held_out, *found.values()) for one in bundles.values()])


def distinct(entries: Iterable[Entry], layout: Layout) -> list[Entry]:
    """One entry for each list of bundles."""
    return list({bundle_list(layout, entry.config): entry for entry in entries}.values())


@dataclass(frozen=True)
class Makers:
    """Runs the data stages."""

    store: Store
    reporter: Reporter
    workers: int
    follow_links: bool

    def bundles(self, config: Config, samples: list[Sample],
                folder: Path) -> tuple[dict[str, Artefact], dict[str, str]]:
        """Bundles by sample id, and the reason for each sample without one."""
        refs = {sample.video: video_ref(sample.located, folder, self.follow_links) for sample in samples}
        job = Job(config, self.store, samples=samples, videos_dir=folder,
                  videos=list(refs.values()), reporter=self.reporter,
                  workers=self.workers)
        failed = run_chain("variants", job)["variants"].failed
        there = {name: one for name, one in job.results["variants"].items() if isinstance(one, Artefact)}
        return there, {one["id"]: one["reason"] for one in failed}


def write_list(path: Path, bundles: Mapping[str, Artefact]) -> None:
    """Sample ids with the keys of their bundles."""
    write_json(path, {name: one.key for name, one in bundles.items()})


def read_list(path: Path, store: Store) -> dict[str, Artefact]:
    """Bundles by sample id; `MissingError` when one has left the cache since."""
    found = {}
    for name, key in json.loads(path.read_bytes()).items():
        artefact = store.find("variants", key)
        if artefact is None:
            raise MissingError(f"the bundle of {name} has left the cache", "the bundles that were made for this run",
                               "Run the same compare command again.")
        found[name] = artefact
    return found


def lost_questions(layout: Layout) -> list[dict[str, str]]:
    """Questions that no recipe trained on, or that could not be asked, with the reason."""
    try:
        found = json.loads((layout.work / "lost.json").read_bytes())
    except FileNotFoundError:
        return []
    return [{"id": name, "reason": f"{part}: {reason}"} for part in ("train", "eval")
            for name, reason in sorted(found[part].items())]

"""Data stage "variants": one bundle per sample, from the video's frames and the question's scores."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from strive.cache.artefact import Artefact
from strive.cache.digest import digest_json
from strive.cache.key import make_key
from strive.configs.data_stages import VariantsConfig
from strive.configs.schema import Config
from strive.stages.plan import Item, Job, Product
from strive.stages.reporter import Reporter
from strive.stages.tasks.sample import Sample

FRAMES_KEPT = 8
"""Videos whose encoded frames stay in memory (some 15 MB each): their other questions mostly follow at once."""


class VariantsStage:
    """Items are the samples; the key is of the settings, the sample, and the content of its frames and scores."""

    name = "variants"
    version = 4
    upstream = ("extract", "score")
    parallel = True

    def __init__(self) -> None:
        self.told: WeakKeyDictionary[Reporter, set[str]] = WeakKeyDictionary()  # plans are made repeatedly

    def settings(self, config: Config) -> dict[str, Any]:
        return config.variants.result_keys()

    def items(self, job: Job) -> list[Item]:
        from strive.stages.views.operators import check_names

        check_names(job.config.variants)
        self.warn(job)
        settings = self.settings(job.config)
        return [self.item(job, sample, settings) for sample in job.samples]

    def warn(self, job: Job) -> None:
        """Say, once, which settings are allowed and hardly meant."""
        told = self.told.setdefault(job.reporter, set())
        for text in doubts(job.config.variants):
            if text not in told:
                told.add(text)
                job.reporter.warn(text)

    def item(self, job: Job, sample: Sample, settings: dict[str, Any]) -> Item:
        """One sample's item; blocked when its video or its question failed."""
        frames, scores = job.upstream("extract", sample.video), job.upstream("score", sample.id)
        if not isinstance(frames, Artefact) or not isinstance(scores, Artefact):
            return Item(sample.id, None, blocked=next((one for one in (frames, scores) if isinstance(one, str)), None))
        digest = digest_json(sample.to_json())
        inputs = {"sample": digest, "frames": frames.digest, "scores": scores.digest}
        key = make_key(self.name, self.version, settings, inputs)
        return Item(sample.id, key, {"frames": frames, "scores": scores, "sample": sample, "sample_row": digest})

    @contextmanager
    def open(self, job: Job) -> Iterator["VariantsMaker"]:
        maker = VariantsMaker(job.config)
        yield maker
        for operator, count in sorted(maker.vetoed.items()):
            job.reporter.info(f"variants: {operator} left out of {count} views; `strive inspect SAMPLE` says why")


class VariantsMaker:
    """Builds the views of one sample and writes its bundle."""

    def __init__(self, config: Config) -> None:
        from strive.stages.frames.frameset import read_frames

        self.config = config.variants
        self.vetoed: Counter[str] = Counter()
        self.counting = threading.Lock()
        self.read_frames = lru_cache(maxsize=FRAMES_KEPT)(read_frames)

    def make(self, item: Item) -> Product:
        from strive.stages.bundle.format import FILE
        from strive.stages.bundle.writer import write_bundle
        from strive.stages.frames.scores import read_scores
        from strive.stages.views.build import build_views

        sample: Sample = item.inputs["sample"]
        frames, scores = self.read_frames(item.inputs["frames"]), read_scores(item.inputs["scores"])
        views = build_views(sample.blind(), scores, frames.sizes, self.config)
        data = write_bundle(sample, frames, scores, views, self.config, item.key or "")
        with self.counting:
            self.vetoed.update(str(veto["operator"]) for view in views for veto in view.vetoes)
        meta = {
            "variants": len(views), "contrast": sum(view.contrast for view in views),
            "frames": [len(view.indices) for view in views], "pool": len(frames),
            "vetoes": [{"variant": k, **veto} for k, view in enumerate(views) for veto in view.vetoes],
        }
        return Product({FILE: data}, meta, warnings(len(frames), self.config.frames))


def doubts(config: VariantsConfig) -> list[str]:
    """Settings that are allowed and hardly meant: contrast operators trained on, draws that are all the same."""
    from strive.stages.views.operators import contrast_only, same_draws

    names, alike, found = contrast_only(config), same_draws(config), []
    if names:
        looked_after = "only the guard's keywords keep" if config.guard else "nothing keeps"
        found.append(f"variants.operators trains on {', '.join(names)}, made to change what a video says: "
                     f"{looked_after} wrong answers out; variants.contrast compares without training")
    if alike:
        found.append(f"variants.sampler = {config.sampler} draws the same frames for {alike} variants: unlike gumbel "
                     "and strat_gumbel it is not random")
    return found


def warnings(pool: int, wanted: int) -> tuple[str, ...]:
    """What to tell about a video with fewer frames than a view asks for: frames are never repeated to fill up."""
    if pool == 1:
        return ("one frame: every variant shows the same picture",)
    if pool < wanted:
        return (f"{pool} frames, fewer than variants.frames={wanted}: every variant shows them all",)
    return ()


STAGE = VariantsStage()

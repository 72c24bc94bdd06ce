"""How many bytes kept vision features take, from bundles' sizes and the model's config alone, and whether they fit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strive.cache import disk
from strive.cache.store import Artefact, Store
from strive.configs.run_stages import TrainConfig
from strive.configs.schema import Config
from strive.stages.bundle.reader import Bundle
from strive.stages.reporter import Reporter
from strive.stages.train.job import BUNDLE_FILE
from strive.stages.train.unseen_view import pool_sizes
from strive.stages.train.vision_cache import RESERVE_BYTES, STAGE, VisionCache
from strive.stages.train.vision_identity import Identity
from strive.stages.vlm.load import choose_device, choose_dtype
from strive.stages.vlm.sizing import target_size

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy

LOOKED_AT = 64
"""Bundles whose sizes are read for an estimate; the others count as their mean."""


@dataclass(frozen=True)
class Geometry:
    """How a tower turns frames into visual tokens, and what it hands on for one.

    factor: pixels along a side that become one token. per_patch: frames that share tokens. width: of a feature.
    levels: feature maps in all, the deepstack ones included. item_bytes: of one number.
    """

    factor: int
    per_patch: int
    width: int
    levels: int
    item_bytes: int

    @staticmethod
    def of(config: Any, train: TrainConfig) -> "Geometry | None":
        """From a Hugging Face config; None for a family that does not merge patches of frames at their own size."""
        vision = getattr(config, "vision_config", None)
        if vision is None or not hasattr(vision, "spatial_merge_size") or not hasattr(vision, "temporal_patch_size"):
            return None
        return Geometry(int(vision.patch_size) * int(vision.spatial_merge_size), int(vision.temporal_patch_size),
                        int(config.get_text_config().hidden_size),
                        1 + len(getattr(vision, "deepstack_visual_indexes", None) or ()), item_bytes(train))

    def clip_bytes(self, frames: int, size: tuple[int, int], train: TrainConfig) -> int:
        """visual tokens x width x levels x bytes of a number, of one clip of `frames` frames of `size` (H, W)."""
        rows, columns = target_size(*size, self.factor, min(train.min_pixels, train.max_pixels), train.max_pixels)
        return self.tokens_bytes(frames, rows * columns, train)

    def tokens_bytes(self, frames: int, area: int, train: TrainConfig) -> int:
        """The same for frames of `area` pixels as the model sees them."""
        steps = -(-frames // self.per_patch) if train.frame_pairing == "video" else frames
        return steps * (area // self.factor**2) * self.width * self.levels * self.item_bytes


@dataclass(frozen=True)
class Need:
    """Views whose features are to be kept, and their bytes; `at_most`: a bound, the bundles are not there yet."""

    views: int
    size_bytes: int
    at_most: bool = False


def item_bytes(train: TrainConfig) -> int:
    """Bytes of one number of a feature; under `mixed` the weights' four, which is what the tower's last sum has."""
    if train.dtype == "mixed":
        return 4
    return choose_dtype(train.dtype, choose_device(train.device)).itemsize


def bundle_need(geometry: Geometry, bundle: Artefact, train: TrainConfig) -> Need:
    """What the features of one bundle's variants take; no pixel is decoded."""
    path = bundle.path / BUNDLE_FILE
    variants, sizes = Bundle.open(path).variants, pool_sizes(path)
    total = 0
    for variant in variants:
        bounds = variant.clip_bounds.tolist()
        for start, end in zip(bounds[:-1], bounds[1:], strict=True):
            height, width = (int(side) for side in sizes[variant.index[start]])
            total += geometry.clip_bytes(end - start, (height, width), train)
    return Need(len(variants), total)


def total_need(geometry: Geometry, bundles: Sequence[Artefact], train: TrainConfig) -> Need:
    """What the features of all these bundles take: exact for up to `LOOKED_AT`, else from that many, evenly spread."""
    if not bundles:
        return Need(0, 0)
    step = max(1, len(bundles) // LOOKED_AT)
    seen = [bundle_need(geometry, bundle, train) for bundle in bundles[::step]]
    share = len(bundles) / len(seen)
    return Need(round(sum(one.views for one in seen) * share), round(sum(one.size_bytes for one in seen) * share))


def bound(geometry: Geometry, config: Config, samples: int) -> Need:
    """The most that bundles which are not made yet can need."""
    views = samples * config.variants.count
    each = geometry.tokens_bytes(config.variants.frames, config.train.max_pixels, config.train)
    return Need(views, views * each, at_most=True)


def left_off(train: TrainConfig) -> str | None:
    """Why the settings keep no features, None when they do."""
    if train.vision_cache == "off":
        return "train.vision_cache = off"
    if not train.freeze_vision and train.lora_rank == 0:
        return "the vision tower is trained"
    return None


def no_room(need_bytes: int, root: Path, reserve_bytes: int = RESERVE_BYTES) -> str | None:
    """Why `need_bytes` do not fit beside the bundles, None when they do."""
    free = disk.free_bytes(root)
    if need_bytes + reserve_bytes <= free:
        return None
    return (f"they would take {disk.size_text(need_bytes)}, {disk.size_text(free)} are free and "
            f"{disk.size_text(reserve_bytes)} of it are left to others")


def plan_line(model_config: Any, config: Config, bundles: Sequence[Artefact], samples: int, root: Path) -> str:
    """One line of a training run's plan.

    `model_config`: the Hugging Face config; `bundles`: those that are there, of `samples` questions; `root`: the cache.
    """
    why = left_off(config.train)
    if why is not None:
        return f"vision    features are not kept: {why}"
    geometry = Geometry.of(model_config, config.train)
    if geometry is None:
        return f"vision    {samples * config.variants.count} views, features kept beside the bundles"
    made, coming = total_need(geometry, bundles, config.train), bound(geometry, config, samples - len(bundles))
    views, total = made.views + coming.views, made.size_bytes + coming.size_bytes
    there = min(total, kept_bytes(root, bundles))
    why = no_room(total - there, root)
    if why is not None:
        return f"vision    features are not kept: {why}"
    most = "at most " if coming.views else ""
    known = f" ({disk.size_text(there)} are there)" if there else ""
    return f"vision    {views} views, {most}{disk.size_text(total)} of features kept beside the bundles{known}"


def kept_bytes(root: Path, bundles: Iterable[Artefact]) -> int:
    """Bytes of features that are kept for these bundles already, of the tower that has most of them."""
    digests = {bundle.digest for bundle in bundles}
    sums: dict[str, int] = {}
    for one in Store(root).entries(STAGE) if digests else ():
        inputs = one.manifest.get("inputs") or {}
        if inputs.get("bundle") in digests:
            tower = str(inputs.get("tower"))
            sums[tower] = sums.get(tower, 0) + one.size_bytes
    return max(sums.values(), default=0)


def open_cache(policy: "Policy", bundles: Mapping[str, Artefact], config: TrainConfig, run: Path,
               reporter: Reporter) -> VisionCache | None:
    """The kept features that lie beside the bundles, held for the run in folder `run`; None when they are left off.

    Counts what is missing exactly, now that the tower is known, and says in one line when the disk has no room for it.
    """
    if left_off(config) is not None or not policy.freeze_vision or not bundles:
        return None
    store = Store(next(iter(bundles.values())).path.parents[2])
    cache = VisionCache(store, policy, Identity.of(policy, config), reporter)
    missing = [bundles[name] for name in cache.missing(bundles)]
    geometry = Geometry.of(policy.core.config, config)
    why = None if geometry is None else no_room(total_need(geometry, missing, config).size_bytes, store.root)
    if why is not None:
        reporter.info(f"train: vision features are not kept: {why}")
        cache.keeps = False
    cache.record_run(run, bundles)
    return cache

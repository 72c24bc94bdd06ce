"""How many bytes kept vision features take, from bundles' sizes and a model's config alone, and whether they fit."""

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
from strive.stages.train.estimate.model_shape import config_folder
from strive.stages.train.job import BUNDLE_FILE, TrainJob
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.vision.cache import RESERVE_BYTES, STAGE, VisionCache
from strive.stages.train.vision.identity import Identity
from strive.stages.train.vision.unseen_view import pool_sizes, visual_tokens
from strive.stages.vlm.adapters import make_adapter
from strive.stages.vlm.load import choose_device, choose_dtype

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy

LOOKED_AT = 64
"""Bundles whose sizes are read for an estimate; the others count as their mean."""


@dataclass(frozen=True)
class Need:
    """Views whose features are to be kept, and their bytes."""

    views: int
    size_bytes: int


def token_bytes(model_config: Any, train: TrainConfig) -> int:
    """Bytes of what the tower hands on for one visual token: width x (1 + deepstack levels) x bytes of a number.

    Under `mixed` the tower ends in a product of halves.
    """
    levels = 1 + len(getattr(model_config.vision_config, "deepstack_visual_indexes", None) or ())
    width = int(model_config.get_text_config().hidden_size)
    number = 2 if train.dtype == "mixed" else choose_dtype(train.dtype, choose_device(train.device)).itemsize
    return width * levels * number


def needed(adapter: Any, bundles: Sequence[Artefact], train: TrainConfig) -> Need:
    """What the features of these bundles take: exact for up to `LOOKED_AT`, else from that many, evenly spread."""
    if not bundles:
        return Need(0, 0)
    seen = [_of_bundle(adapter, one) for one in bundles[:: max(1, len(bundles) // LOOKED_AT)]]
    share = len(bundles) / len(seen)
    views, tokens = (sum(column) * share for column in zip(*seen, strict=True))
    return Need(round(views), round(tokens * token_bytes(adapter.config, train)))


def _of_bundle(adapter: Any, bundle: Artefact) -> tuple[int, int]:
    """Views and visual tokens of a bundle; no pixel is decoded."""
    path = bundle.path / BUNDLE_FILE
    variants, sizes = Bundle.open(path).variants, pool_sizes(path)
    return len(variants), sum(visual_tokens(adapter, variant, sizes) for variant in variants)


def bound(adapter: Any, config: Config, samples: int) -> Need:
    """The most that bundles which are not made yet can need."""
    views, frames = samples * config.variants.views, config.variants.frames
    steps = -(-frames // adapter.per_patch) if config.train.frame_pairing == "video" else frames
    return Need(views, views * steps * adapter.frame_tokens * token_bytes(adapter.config, config.train))


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


def adapter_without_weights(model: str, train: TrainConfig) -> Any:
    """The adapter of a model for planning, from its config and processor; None where these can't be read.

    Nothing is refused here: loading the policy says what is wrong.
    """
    from transformers import AutoConfig, AutoProcessor

    folder = config_folder(model)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError):
        return None
    return make_adapter(processor, config, train.max_pixels, train.min_pixels, train.time_text, train.frame_pairing)


def plan_line(adapter: Any, config: Config, bundles: Sequence[Artefact], samples: int, root: Path) -> str:
    """One line of a training run's plan.

    `adapter`: of a policy, or `adapter_without_weights`; `bundles`: those that are there, of `samples` questions;
    `root`: the cache.
    """
    why = left_off(config.train)
    if why is not None:
        return f"vision    features are not kept: {why}"
    if adapter is None:
        return f"vision    {samples * config.variants.views} views, features kept beside the bundles"
    made, coming = needed(adapter, bundles, config.train), bound(adapter, config, samples - len(bundles))
    total = made.size_bytes + coming.size_bytes
    there = min(total, kept_bytes(root, bundles))
    why = no_room(total - there, root)
    if why is not None:
        return f"vision    features are not kept: {why}"
    most = "at most " if coming.views else ""
    known = f" ({disk.size_text(there)} of a tower are there)" if there else ""
    return (f"vision    {made.views + coming.views} views, {most}{disk.size_text(total)} of features kept beside the "
            f"bundles{known}")


def plan_lines(job: TrainJob, bundles: Sequence[Artefact], samples: int, root: Path) -> list[str]:
    """`plan_line` for a run that has steps to take, before its policy is loaded; none for one that has not."""
    results = None if job.force else RunFolder(job.run).finished()
    if results is not None and results["step"] >= job.config.train.steps:
        return []
    off = left_off(job.config.train) is not None
    adapter = None if off else adapter_without_weights(job.model, job.config.train)
    return [plan_line(adapter, job.config, bundles, samples, root)]


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

    Counts what is missing, now that the tower is known, and says in one line when the disk has no room for it: what is
    there is served all the same.
    """
    if left_off(config) is not None or not policy.freeze_vision or not bundles:
        return None
    store = Store(next(iter(bundles.values())).path.parents[2])
    cache = VisionCache(store, policy, Identity.of(policy, config), reporter)
    missing = [bundles[name] for name in cache.missing(bundles)]
    why = no_room(needed(policy.adapter, missing, config).size_bytes, store.root)
    if why is not None:
        reporter.info(f"train: vision features are not kept: {why}")
        cache.keeps = False
    cache.record_run(run, bundles)
    return cache

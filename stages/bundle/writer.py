"""Writes a bundle (see `format.py`): the same sample, frames, scores and views give the same bytes."""

from collections.abc import Sequence

import h5py
import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import ItemError
from strive.stages.bundle import hdf5
from strive.stages.bundle.format import FORMAT, to_text
from strive.stages.bundle.gather import Gathered
from strive.stages.bundle.pool import write_pool
from strive.stages.frames.frameset import FrameSet
from strive.stages.frames.scores import Scores
from strive.stages.tasks.sample import Sample
from strive.stages.views.view import Box, View


def write_bundle(
    sample: Sample, frames: FrameSet, scores: Scores, views: Sequence[View], config: VariantsConfig, key: str
) -> bytes:
    """The bytes of the sample's bundle.

    Raises `ItemError` when scores and frames are not of the same times, when a clip mixes image sizes, or when the
    bundle would be larger than `config.max_bundle_mib`.
    """
    if not np.array_equal(scores.times, frames.times):
        raise ItemError("the scores are not of these frames", "equal presentation times", "Run `strive score --force`.")
    gathered = Gathered(frames, config.codec, config.jpeg_quality)
    slots = [gathered.add_view(view) for view in views]
    limit = config.max_bundle_mib << 20
    if gathered.size_bytes > limit:
        raise ItemError(f"bundle of {gathered.size_bytes >> 20} MiB", f"at most {config.max_bundle_mib} MiB",
                        "Lower variants.frames or extract.short_side, or raise variants.max_bundle_mib.")

    def fill(file: h5py.File) -> None:
        hdf5.set_text(file, "format", FORMAT)
        hdf5.set_text(file, "key", key)
        hdf5.set_text(file, "sample", to_text(sample.to_json()))
        write_pool(hdf5.add_group(file, "pool"), gathered.encoded, np.array(gathered.sizes, np.int32))
        variants = hdf5.add_group(file, "variants")
        for number, (view, index) in enumerate(zip(views, slots, strict=True)):
            write_variant(hdf5.add_group(variants, str(number)), view, index, frames)
        write_score(hdf5.add_group(file, "score"), scores)

    return hdf5.build(fill)


def write_variant(group: h5py.Group, view: View, index: np.ndarray, frames: FrameSet) -> None:
    """One variant: its images' places in the pool, the times told of them, and how it was made."""
    hdf5.add(group, "index", np.asarray(index, np.int32))
    hdf5.add(group, "times", np.asarray(frames.times[view.timed], np.float64))
    hdf5.add(group, "clips", np.array(view.bounds(), np.int32))
    refused = [{**{k: v for k, v in veto.items() if k != "reason"}, "vetoed": veto["reason"]} for veto in view.vetoes]
    hdf5.set_text(group, "operators", to_text([*map(dict, view.operators), *refused]))
    hdf5.set_text(group, "sampler", view.sampler)
    group.attrs.create("seed", np.int64(view.seed))
    if view.contrast:
        group.attrs.create("contrast", np.int32(1))
    if view.crop is not None:
        group.attrs.create("crop", np.array(in_source_pixels(view.crop, frames), np.int32))


def in_source_pixels(crop: Box, frames: FrameSet) -> Box:
    """A box on the stored frames as the box of the video's own pixels that it came from, outermost edges."""
    height, width = (int(side) for side in frames.sizes[0])
    across, down = int(frames.meta.get("width", width)), int(frames.meta.get("height", height))
    x0, y0, x1, y1 = crop
    return Box(x0 * across // width, y0 * down // height, -(-x1 * across // width), -(-y1 * down // height))


def write_score(group: h5py.Group, scores: Scores) -> None:
    """The importance curve of the whole pool, and who scored it."""
    hdf5.add(group, "importance", np.asarray(scores.importance, np.float32))
    hdf5.add(group, "raw", np.asarray(scores.raw, np.float32))
    hdf5.add(group, "times", np.asarray(scores.times, np.float64))
    hdf5.set_text(group, "scorer", to_text(scores.meta.get("scorer", {})))
    hdf5.set_text(group, "text", to_text(scores.meta.get("text", {})))

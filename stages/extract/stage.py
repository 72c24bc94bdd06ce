"""The extract stage: one artefact of frames per video and sampling config."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from strive.cache.key import library_series
from strive.configs.data_stages import ExtractConfig
from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages.extract.items import VERSION, is_unchanged, item_of, source_of
from strive.stages.extract.threads import decoder_threads
from strive.stages.extract.worker import Pool
from strive.stages.frames.frameset import FrameSet, write_frames
from strive.stages.plan import Item, Job, Product

CHILD = "strive.stages.extract.child"
AUTO = "pyav"  # chosen by measurement: docs/extract.md, printed by tests/benchmarks/decoders.py
OPENCV = "opencv-python|opencv-python-headless|opencv-contrib-python|opencv-contrib-python-headless"


class ExtractStage:
    """Videos → frames. Children decode in parallel, one video each."""

    name = "extract"
    version = VERSION
    upstream: tuple[str, ...] = ("fetch",)
    parallel = True

    def settings(self, config: Config) -> dict[str, Any]:
        """The config values that enter keys; `auto` stands as the decoder that it means."""
        return {**config.extract.result_keys(), "decoder": decoder_of(config.extract)}

    def items(self, job: Job) -> list[Item]:
        """One item per video; what is not a regular file, is empty or is gone and never seen is blocked."""
        settings = self.settings(job.config)
        series = library_series("av", OPENCV)
        return [item_of(ref, job.store, settings, series, job.upstream("fetch", ref.id)) for ref in job.videos]

    @contextmanager
    def open(self, job: Job) -> Iterator["FrameMaker"]:
        """Start the first decode child; all end with the block."""
        pool = Pool(CHILD)
        try:
            yield FrameMaker(pool, job, self.settings(job.config))
        finally:
            pool.close()


def decoder_of(config: ExtractConfig) -> str:
    """The decoder that will be used."""
    return AUTO if config.decoder == "auto" else config.decoder


class FrameMaker:
    """Asks a child for the frames of one video and packs them."""

    def __init__(self, pool: Pool, job: Job, settings: dict[str, Any]) -> None:
        self.pool, self.job, self.settings = pool, job, settings
        self.store, self.config = job.store, job.config.extract

    def make(self, item: Item) -> Product:
        """Raises `ItemError` with the reason when the video cannot be decoded, is gone, or changes meanwhile."""
        threads = decoder_threads(self.job.workers, self.job.todo, self.job.cores)
        how = {"memory_mib": self.config.memory_mib, "threads": threads}
        with self.pool.child() as child:
            header, encoded = child.ask({**self.settings, **source_of(item, self.store), **how}, self.config.deadline_s)
        if not is_unchanged(item, self.store):
            raise ItemError("the file changed while it was read; run the same command again")
        meta = {**header["meta"], "series": library_series("av", OPENCV), "codec": self.config.codec}
        frames = FrameSet(
            np.asarray(header["times"], np.float64), np.asarray(header["source_index"], np.int64),
            np.asarray(header["sizes"], np.int32).reshape(-1, 2), encoded, meta,
        )
        counts = {"frames": len(frames), "undecoded_frames": header["undecoded"]}
        return Product(write_frames(frames), {**meta, **counts}, tuple(header["warnings"]))


STAGE = ExtractStage()

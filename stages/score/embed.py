"""Data stage "embed": image embeddings once per (video, scorer), whatever is asked about the video later."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages.plan import Item, Job, Product
from strive.stages.score.identity import identity

if TYPE_CHECKING:
    from strive.stages.score.encoder import Encoder

USED = {"clip": ("model", "pretrained", "tiles", "tile_side", "batch"), "random": ("seed", "tiles", "tile_side"),
        "hash": ("tiles", "tile_side")}
BY_DIGEST = ("model", "pretrained")


class EmbedStage:
    """Items are the videos of the samples; the key is of the frames' content, the weights and the tile grid."""

    name = "embed"
    version = 2
    upstream = ("extract",)
    parallel = False

    def settings(self, config: Config) -> dict[str, Any]:
        values = config.score.result_keys()
        return {name: values[name] for name in ("scorer", *USED[config.score.scorer])}

    def items(self, job: Job) -> list[Item]:
        known = identity(job.config.score, job.store)
        config = {name: v for name, v in self.settings(job.config).items() if name not in BY_DIGEST}
        return [self.item(job, video, config, known) for video in dict.fromkeys(s.video for s in job.samples)]

    def item(self, job: Job, video: str, config: dict[str, Any], known: dict[str, Any]) -> Item:
        """One video's item; blocked when its frames failed."""
        frames = job.upstream("extract", video)
        if not isinstance(frames, Artefact):
            return Item(video, None, blocked=frames)
        key = make_key(self.name, self.version, config, {"frames": frames.digest, "scorer": known})
        return Item(video, key, {"frames": frames, "scorer": known})

    @contextmanager
    def open(self, job: Job) -> Iterator["EmbedMaker"]:
        from strive.stages.score.encoder import open_encoder

        with open_encoder(job.config.score) as encoder:
            yield EmbedMaker(encoder, job.config)


class EmbedMaker:
    """Embeds the frames of one video, then their tiles."""

    def __init__(self, encoder: "Encoder", config: Config) -> None:
        self.encoder, self.config = encoder, config.score

    def make(self, item: Item) -> Product:
        import numpy as np

        from strive.stages.frames.frameset import read_frames
        from strive.stages.score.embeddings import Embeddings, write_embeddings
        from strive.stages.score.tiles import cut_tiles, tile_boxes

        frames = read_frames(item.inputs["frames"])
        boxes = tile_boxes(self.config.tiles, self.config.tile_side)
        salt = item.inputs["frames"].digest
        everything = range(len(frames))
        image = self.encoder.images((frames.image(i) for i in everything), salt)
        cut = cut_tiles((frames.image(i) for i in everything if len(boxes)), boxes)
        tiles = self.encoder.images(cut, f"{salt}/tiles").reshape(len(frames), len(boxes), image.shape[1])
        if not (np.isfinite(image).all() and np.isfinite(tiles).all()):
            raise ItemError("the scorer gave embeddings that are not finite", "finite numbers", "Check score.model.")
        files = write_embeddings(Embeddings(image, tiles, boxes, frames.times, item.inputs["scorer"]))
        facts = {"scorer": item.inputs["scorer"], "frames": len(frames), "tiles": len(boxes), **self.encoder.facts}
        return Product(files, facts)


STAGE = EmbedStage()

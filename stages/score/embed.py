"""Data stage "embed": image embeddings once per (video, scorer), whatever is asked about the video later."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages.plan import Item, Job, Product
from strive.stages.score.identity import identity

if TYPE_CHECKING:
    import numpy as np

    from strive.stages.score.encoder import Encoder, ImageSet

USED = {"clip": ("model", "pretrained", "tiles", "tile_side", "batch"), "random": ("seed", "tiles", "tile_side"),
        "hash": ("tiles", "tile_side")}
BY_DIGEST = ("model", "pretrained")


class EmbedStage:
    """Items are the videos of the samples; the key is of the frames' content, the weights and the tile grid."""

    name = "embed"
    version = 3
    upstream = ("extract",)
    parallel = False
    stream = True

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


@dataclass(frozen=True)
class Embedding:
    """A video on its way: `times` of its frames, float64 [N], once they are read."""

    item: Item
    times: "np.ndarray"


class EmbedMaker:
    """Embeds frames and their tiles, of several videos at a time."""

    def __init__(self, encoder: "Encoder", config: Config) -> None:
        from strive.stages.score.tiles import tile_boxes

        self.encoder, self.boxes = encoder, tile_boxes(config.score.tiles, config.score.tile_side)

    def make(self, item: Item) -> Product:
        """One video alone: the bytes of `make_stream`."""
        [(_item, product)] = self.make_stream(iter([item]))
        if isinstance(product, ItemError):
            raise product
        return product

    def make_stream(self, items: Iterator[Item]) -> Iterator[tuple[Item, Product | ItemError]]:
        """Videos share forwards; frames are decoded and prepared in threads of their own meanwhile."""
        for asked, rows in self.encoder.image_sets(self.images_of(item) for item in items):
            try:
                yield asked.item, self.product(asked, rows)
            except ItemError as error:
                yield asked.item, error

    def images_of(self, item: Item) -> "ImageSet":
        """The video's frames, each followed by its tiles."""
        from strive.stages.frames.frameset import read_frames
        from strive.stages.score.encoder import ImageSet
        from strive.stages.score.tiles import cut_tiles

        frames = read_frames(item.inputs["frames"])
        whole = (frames.image(i) for i in range(len(frames)))
        images = (one for image in whole for one in (image, *cut_tiles([image], self.boxes)))
        return ImageSet(Embedding(item, frames.times), item.inputs["frames"].digest, images)

    def product(self, asked: Embedding, rows: "np.ndarray") -> Product:
        """The artefact's files from the rows [N · (1 + K), D] of all frames and tiles."""
        import numpy as np

        from strive.stages.score.embeddings import Embeddings, write_embeddings

        if not np.isfinite(rows).all():
            raise ItemError("the scorer gave embeddings that are not finite", "finite numbers", "Check score.model.")
        rows = rows.reshape(len(asked.times), 1 + len(self.boxes), rows.shape[1])
        scorer = asked.item.inputs["scorer"]
        files = write_embeddings(Embeddings(rows[:, 0], rows[:, 1:], self.boxes, asked.times, scorer))
        facts = {"scorer": scorer, "frames": len(rows), "tiles": len(self.boxes), **self.encoder.facts}
        return Product(files, facts)


STAGE = EmbedStage()

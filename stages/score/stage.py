"""Data stage "score": how much each frame matters to each question, from the video's embeddings."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.configs.schema import Config
from strive.stages.plan import Item, Job, Product
from strive.stages.score.identity import identity
from strive.stages.score.length import text_length
from strive.stages.tasks.sample import Question

if TYPE_CHECKING:
    from strive.stages.score.encoder import Encoder


class ScoreStage:
    """Items are the questions; the key is of the text that is compared, the weights and the embeddings' content.

    Only `Question` gets past `items`: the answer and the metadata of a sample are not in it.
    """

    name = "score"
    version = 2
    upstream = ("embed",)
    parallel = False

    def settings(self, config: Config) -> dict[str, Any]:
        return config.score.result_keys()

    def items(self, job: Job) -> list[Item]:
        known = identity(job.config.score, job.store)
        return [self.item(job, sample.blind(), known) for sample in job.samples]

    def item(self, job: Job, question: Question, known: dict[str, Any]) -> Item:
        """One question's item; blocked when its video failed. The order of the options does not enter the key."""
        embedded = job.upstream("embed", question.video)
        if not isinstance(embedded, Artefact):
            return Item(question.id, None, blocked=embedded)
        score = job.config.score
        options = sorted(question.options or ()) if score.text == "question+options" else None
        key = make_key(self.name, self.version, {"text": score.text, "long_text": score.long_text}, {
            "embed": embedded.digest, "scorer": known, "question": question.text, "options": options})
        return Item(question.id, key, {"embed": embedded, "question": question, "scorer": known})

    @contextmanager
    def open(self, job: Job) -> Iterator["ScoreMaker"]:
        from strive.stages.score.encoder import open_encoder

        with open_encoder(job.config.score) as encoder:
            yield ScoreMaker(encoder, job.config)
            length = text_length(job.results[self.name].values())
            if length.long:
                tell = job.reporter.warn if length.cut else job.reporter.info
                tell(f"score: {length.line(encoder.context)}")


class ScoreMaker:
    """Compares one question with its video's embeddings."""

    def __init__(self, encoder: "Encoder", config: Config) -> None:
        from strive.stages.score.embeddings import read_embeddings

        self.encoder, self.config = encoder, config.score
        self.read = lru_cache(maxsize=2)(read_embeddings)

    def make(self, item: Item) -> Product:
        from strive.stages.frames.scores import Scores, write_scores, zscore
        from strive.stages.score.text import question_vector

        embeddings = self.read(item.inputs["embed"])
        compared = question_vector(self.encoder, item.inputs["question"], self.config)
        raw, saliency = embeddings.cosines(compared.vector)
        meta = {"scorer": item.inputs["scorer"], "text": compared.facts}
        scores = Scores(raw, zscore(raw), embeddings.times, embeddings.tile_boxes, saliency, meta)
        return Product(write_scores(scores), {**meta, **self.encoder.facts}, cut_warning(compared.facts))


def cut_warning(facts: dict[str, Any]) -> tuple[str, ...]:
    """What to tell when a part of the text was not read."""
    if not facts["truncated"]:
        return ()
    return (f"{facts['truncated']:.0%} of the text was cut off; score.long_text=chunk_mean reads all of it",)


STAGE = ScoreStage()

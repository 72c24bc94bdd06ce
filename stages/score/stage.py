"""Data stage "score": how much each frame matters to each question, from the video's embeddings."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages.plan import Item, Job, Product
from strive.stages.score.identity import identity
from strive.stages.score.length import text_length
from strive.stages.tasks.sample import Question

if TYPE_CHECKING:
    import numpy as np

    from strive.stages.score.embeddings import Embeddings
    from strive.stages.score.encoder import Encoder

GATHERED = 256
"""Questions that are compared together: their keys are held, and what is not compared is lost by a kill."""
PATIENCE_S = 5.0


class ScoreStage:
    """Items are the questions; the key is of the text that is compared, the weights and the embeddings' content.

    Only `Question` gets past `items`: the answer and the metadata of a sample are not in it.
    """

    name = "score"
    version = 3
    upstream = ("embed",)
    parallel = False
    stream = True
    batch = 256

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

    def group(self, item: Item) -> str:
        """Questions about one video are claimed together: a lock for each would cost more than its score."""
        embedded: Artefact = item.inputs["embed"]
        return embedded.key

    def note(self, job: Job, item: Item, artefact: Artefact) -> None:
        """Count how long the question is, and what of it was not read."""
        text_length(job.facts).add(artefact.meta["text"])

    @contextmanager
    def open(self, job: Job) -> Iterator["ScoreMaker"]:
        from strive.stages.score.encoder import open_encoder

        with open_encoder(job.config.score) as encoder:
            yield ScoreMaker(encoder, job.config)
            length = text_length(job.facts)
            if length.long:
                tell = job.reporter.warn if length.cut else job.reporter.info
                tell(f"score: {length.line(encoder.context)}")


class ScoreMaker:
    """Compares questions with their videos' embeddings, all questions about a video in one product."""

    def __init__(self, encoder: "Encoder", config: Config) -> None:
        self.encoder, self.config = encoder, config.score
        self.read = lru_cache(maxsize=2)(read_rows)

    def make(self, item: Item) -> Product:
        """One question alone: the bytes of `make_stream`."""
        [(_item, product)] = self.make_stream(iter([item]))
        if isinstance(product, ItemError):
            raise product
        return product

    def make_stream(self, items: Iterator[Item]) -> Iterator[tuple[Item, Product | ItemError]]:
        """Texts are encoded one by one as the questions come, and compared when `GATHERED` of them are there or the
        first has waited `PATIENCE_S`."""
        asked, count, since = dict[Artefact, list[Asked]](), 0, time.monotonic()
        for item in items:
            try:
                one = self.ask(item)
            except ItemError as error:
                yield item, error
                continue
            asked.setdefault(item.inputs["embed"], []).append(one)
            count += 1
            if count >= GATHERED or time.monotonic() - since > PATIENCE_S:
                yield from self.compare_all(asked)
                asked, count, since = {}, 0, time.monotonic()
        yield from self.compare_all(asked)

    def ask(self, item: Item) -> "Asked":
        """The question with its text encoded."""
        from strive.stages.score.exact import quantised
        from strive.stages.score.text import question_vector

        compared = question_vector(self.encoder, item.inputs["question"], self.config)
        return Asked(item, quantised(compared.vector[None])[0], compared.facts)

    def compare_all(self, asked: dict[Artefact, list["Asked"]]) -> Iterator[tuple[Item, Product | ItemError]]:
        """The scores of all questions, video by video."""
        for embed, questions in asked.items():
            try:
                made = self.compare(embed, questions)
            except ItemError as error:
                yield from ((one.item, error) for one in questions)
            else:
                yield from zip((one.item for one in questions), made, strict=True)

    def compare(self, embed: Artefact, asked: "Sequence[Asked]") -> Iterator[Product]:
        """The scores of several questions about one video."""
        import numpy as np

        from strive.stages.score.exact import cosines

        embeddings, rows = self.read(embed)
        values = cosines(rows, np.stack([one.vector for one in asked]))  # [Q, N · (1 + K)]
        return (self.product(one, embeddings, of_one) for one, of_one in zip(asked, values, strict=True))

    def product(self, asked: "Asked", embeddings: "Embeddings", values: "np.ndarray") -> Product:
        """One question's artefact from its cosines [N · (1 + K)]."""
        from strive.stages.frames.scores import Scores, write_scores, zscore

        raw, saliency = embeddings.parted(values)
        meta = {"scorer": asked.item.inputs["scorer"], "text": asked.facts}
        scores = Scores(raw, zscore(raw), embeddings.times, embeddings.tile_boxes, saliency, meta)
        return Product(write_scores(scores), {**meta, **self.encoder.facts}, cut_warning(asked.facts))


@dataclass(frozen=True)
class Asked:
    """A question and its text's direction, float64 [D], ready for exact products; `facts` tell how it was read."""

    item: Item
    vector: "np.ndarray"
    facts: Mapping[str, Any]


def read_rows(embed: Artefact) -> "tuple[Embeddings, np.ndarray]":
    """A video's embeddings, and their rows ready for exact products, float64 [N · (1 + K), D]."""
    from strive.stages.score.embeddings import read_embeddings
    from strive.stages.score.exact import quantised

    embeddings = read_embeddings(embed)
    return embeddings, quantised(embeddings.rows)


def cut_warning(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What to tell when a part of the text was not read."""
    if not facts["truncated"]:
        return ()
    return (f"{facts['truncated']:.0%} of the text was cut off; score.long_text=chunk_mean reads all of it",)


STAGE = ScoreStage()

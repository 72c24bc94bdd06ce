"""Which text the frames are compared with, and what happens to long ones."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from strive.configs.data_stages import ScoreConfig
from strive.stages.score.embeddings import Embeddings
from strive.stages.score.exact import cosines, quantised
from strive.stages.score.text import chunked, cleaned, compared_texts, question_vector
from strive.stages.tasks.sample import Question

WORDS = ("red", "green", "blue", "dog", "cat", "kitchen", "filler")
FILLER = " ".join(["filler"] * 49) + "."


class BagOfWords:
    """A real, tiny two-tower model: texts are bags of known words, an image is the word its brightness stands for."""

    context = 77

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}

    def images(self, images: Iterable[np.ndarray], salt: str) -> np.ndarray:
        return np.stack([np.eye(len(WORDS), dtype=np.float32)[int(image[0, 0, 0])] for image in images])

    def text(self, text: str) -> np.ndarray:
        kept = text.lower().replace("?", " ").replace(".", " ").split()[: self.context - 2]
        counts = np.array([kept.count(word) for word in WORDS], np.float32)
        return counts / max(float(np.linalg.norm(counts)), 1e-6)

    def tokens(self, text: str) -> int:
        return len(text.split()) + 2

    def close(self) -> None:
        pass


FRAMES = [np.full((2, 2, 3), i, np.uint8) for i in range(3)]


def ask(text: str, *options: str) -> Question:
    return Question("q", "v.mp4", text, options or None, "open")


def best_frame(question: Question, **config: Any) -> tuple[int, dict[str, Any]]:
    encoder = BagOfWords()
    compared = question_vector(encoder, question, ScoreConfig(**config))
    rows = encoder.images(FRAMES, "")
    embeddings = Embeddings(rows, np.zeros((3, 0, rows.shape[1]), np.float32), np.empty((0, 4)), np.arange(3.0))
    raw, _ = embeddings.parted(cosines(quantised(embeddings.rows), quantised(compared.vector[None]))[0])
    return int(np.argmax(raw)), compared.facts


def test_a_key_word_at_the_end_of_a_long_question_decides_only_when_nothing_is_cut() -> None:
    question = ask(f"{FILLER} {FILLER} {FILLER} {FILLER} Where is the blue thing?")
    frame, facts = best_frame(question)
    assert frame == WORDS.index("blue") and facts["long"] == 1 and facts["chunks"] >= 3 and facts["truncated"] == 0
    frame, facts = best_frame(question, long_text="truncate")
    assert frame != WORDS.index("blue") and facts["chunks"] == 1 and facts["truncated"] > 0.5


def test_options_count_alike_in_any_order() -> None:
    vectors = [question_vector(BagOfWords(), ask("What is it?", *order), ScoreConfig(text="question+options")).vector
               for order in permutations(("a red dog", "a green cat", "the kitchen"))]
    assert all((vector == vectors[0]).all() for vector in vectors)
    assert (vectors[0][[WORDS.index(word) for word in ("red", "green", "kitchen")]] > 0).all()


def test_the_score_with_options_is_the_mean_of_the_cosines() -> None:
    encoder, question = BagOfWords(), ask("the dog", "red", "green")
    together = question_vector(encoder, question, ScoreConfig(text="question+options")).vector
    apart = (encoder.text("the dog red") + encoder.text("the dog green")) / 2
    assert np.allclose(together, apart, atol=1e-7)


def test_options_are_left_out_by_default_and_where_there_are_none() -> None:
    assert compared_texts(ask("What is it?", "a", "b"), "question") == ["What is it?"]
    assert compared_texts(ask("What is it?"), "question+options") == ["What is it?"]


@pytest.mark.parametrize(("text", "kept"), [
    ("What is shown? Answer with the letter of the correct option.", "What is shown?"),
    ("<video>\nWhat is shown?\nPlease answer with a single word.", "What is shown?"),
    ("Which option does the player choose?", "Which option does the player choose?"),
    ("Answer yes or no.", "Answer yes or no."),
    ("What is it? Provide your answer between <answer> </answer> tags.", "What is it?"),
])
def test_answer_instructions_are_stripped_and_questions_are_not(text: str, kept: str) -> None:
    assert cleaned(text) == kept


@pytest.mark.parametrize("text", [
    "One two three. Four five six seven. Eight.", "one, two, three, four, five, six, seven, eight, nine, ten",
    " ".join(["word"] * 60), "x" * 300, "今天天气很好。" * 20, "a", "",
])
def test_every_piece_fits_and_nothing_is_lost(text: str) -> None:
    pieces = chunked(text, lambda piece: len(piece) <= 20)
    assert all(len(piece) <= 20 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_text_that_fits_stays_whole() -> None:
    assert chunked("One. Two.", lambda piece: len(piece) <= 20) == ["One. Two."]


def test_only_text_and_options_are_read() -> None:
    one = question_vector(BagOfWords(), ask("the red dog"), ScoreConfig())
    two = question_vector(BagOfWords(), replace(ask("the red dog"), id="z", video="w.mp4"), ScoreConfig())
    assert (one.vector == two.vector).all() and one.facts == two.facts

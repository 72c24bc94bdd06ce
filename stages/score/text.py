"""What the frames are compared with: the question, cleaned of answer instructions, in pieces when it is long."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from strive.configs.data_stages import ScoreConfig
from strive.stages.score.encoder import Encoder
from strive.stages.tasks.sample import Question

PLACEHOLDERS = re.compile(r"<\|?/?(?:video|image|vision_start|vision_end|video_pad|image_pad)\|?>")
INSTRUCTION = re.compile(
    r"^(?:please |now |then |finally,? )*(?:answer|respond|reply|select|choose|output|provide|give|put|think|write)\b"
    r".*(?:letters?\b|options?\b|choices?\b|single (?:word|number)|short phrase|only\b.*number|</?(?:answer|think)>"
    r"|format\b|yes or no|multiple[- ]choice|step by step)", re.IGNORECASE | re.DOTALL)
SENTENCE = re.compile(r"(?<=[.!?;。！？；])\s+|\n+")
CLAUSE = re.compile(r"(?<=[,:，：])\s+|\s+(?=(?:and|or|but|while|when|which|that)\b)")
WORD = re.compile(r"\s+")
SPLITS = (SENTENCE, CLAUSE, WORD)


@dataclass(frozen=True)
class TextVector:
    """The mean direction of a question's texts, float32 [D] (length at most 1), and how they were handled."""

    vector: np.ndarray
    facts: dict[str, Any]


def question_vector(encoder: Encoder, question: Question, config: ScoreConfig) -> TextVector:
    """`question`: its own vector; `question+options`: the mean over all options of question ⊕ option, in any order.

    With m the result, f·m is the mean of the cosines of frame f with the texts. A text beyond the encoder's context is
    the normalised mean over its pieces (`chunk_mean`) or is cut off (`truncate`), and `facts` says so.
    """
    texts, tokens = compared_texts(question, config.text), cache(encoder.tokens)
    pieces = [pieces_of(text, lambda piece: tokens(piece) <= encoder.context, config.long_text) for text in texts]
    vectors = [direction(np.stack([encoder.text(piece) for piece in chunks])) for chunks in pieces]
    lengths = [tokens(text) for text in texts]
    lost = sum(max(0, n - encoder.context) for n in lengths) if config.long_text == "truncate" else 0
    facts = {
        "text": config.text, "long_text": config.long_text, "texts": len(texts), "chunks": sum(map(len, pieces)),
        "long": sum(n > encoder.context for n in lengths), "truncated": round(lost / max(1, sum(lengths)), 6),
    }
    return TextVector(np.stack(vectors).mean(axis=0, dtype=np.float64).astype(np.float32), facts)


def compared_texts(question: Question, policy: str) -> list[str]:
    """One text, or one per option in alphabetical order, so that the order of the options cannot matter."""
    text = cleaned(question.text)
    if policy == "question" or not question.options:
        return [text]
    return sorted(f"{text} {option.strip()}" for option in question.options)


def cleaned(text: str) -> str:
    """The text without visual placeholders and answer-format sentences; as it was when nothing would be left."""
    bare = PLACEHOLDERS.sub(" ", text).strip()
    kept = [part.strip() for part in SENTENCE.split(bare) if part.strip() and not INSTRUCTION.match(part.strip())]
    return " ".join(kept) or bare or text


def direction(rows: np.ndarray) -> np.ndarray:
    """The mean of unit rows [n, D], brought back to length 1 (left at 0 when they cancel out)."""
    mean = rows.mean(axis=0, dtype=np.float64)
    return np.asarray((mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32))


def pieces_of(text: str, fits: Callable[[str], bool], policy: str) -> list[str]:
    """The text itself when it fits or may be cut, else pieces that each fit."""
    return [text] if policy == "truncate" else chunked(text, fits)


def chunked(text: str, fits: Callable[[str], bool], rules: tuple[re.Pattern[str], ...] = SPLITS) -> list[str]:
    """Whole sentences packed as long as they fit; a sentence that does not by clauses, then words, then halves."""
    if fits(text) or len(text) < 2:
        return [text]
    if not rules:
        half = len(text) // 2
        return [*chunked(text[:half], fits, ()), *chunked(text[half:], fits, ())]
    packed: list[str] = []
    for part in filter(None, rules[0].split(text)):
        joined = f"{packed[-1]} {part}" if packed else part
        if packed and fits(joined):
            packed[-1] = joined
        else:
            packed.append(part)
    return [piece for part in packed for piece in chunked(part, fits, rules[1:])]

"""One verifier per kind of answer: how it is read, and how a reading is scored against the gold answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strive.stages.tasks.choice import read_letter, read_letters
from strive.stages.tasks.numbers import read_number, same_number
from strive.stages.tasks.open_rule import read_claim, same_claim
from strive.stages.tasks.option_text import lead_in
from strive.stages.tasks.overlap import rouge_mean
from strive.stages.tasks.plain import normal, plain
from strive.stages.tasks.reading import UNPARSED, Reading, read
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.spans import box_iou, read_box, read_id_interval, read_interval, tiou
from strive.stages.tasks.yes_no import read_yes_no


@dataclass(frozen=True)
class Verifier:
    """`read(sample, text)`: the canonical value, made without the gold answer; `score(value, gold)` is in [0, 1]."""

    read: Callable[[Sample, str], Reading]
    score: Callable[[str, str], float]


def equal(given: str, gold: str) -> float:
    """1 for the same canonical text."""
    return float(given == gold)


def letter_set(text: str) -> set[str]:
    """ "A,C" → {"A", "C"}."""
    return {part.strip().upper() for part in text.split(",") if part.strip()}


def subset_share(given: str, gold: str) -> float:
    """|given| / |gold| if every given letter is right, else 0 (partial reward of TW-GRPO)."""
    chosen, right = letter_set(given), letter_set(gold)
    return len(chosen) / len(right) if chosen and chosen <= right else 0.0


def numbers_equal(given: str, gold: str) -> float:
    """1 for equal values at the gold's precision."""
    return float(same_number(given, gold_number(gold)))


def gold_number(gold: str) -> str:
    """The gold answer's value in canonical text; datasets are checked when they are read."""
    value = read_number(gold).value
    if value is None:
        raise ValueError(f"gold answer {gold!r} is not a number")
    return value


THRESHOLDS = np.linspace(
    0.5, 0.95, int((0.95 - 0.5) / 0.05 + 2)
)  # literally as published: float noise decides at the edges


def mean_relative_accuracy(given: str, gold: str) -> float:
    """MRA of VSI-Bench (thinking-in-space): (1/10) Σ_θ 1[|p − g| / |g| ≤ 1 − θ], θ = .50, .55, …, .95.

    For g = 0 (undefined there, absent from the set) only p = 0 scores.
    """
    p, g = as_float(given), as_float(gold_number(gold))
    if g == 0:
        return float(p == 0)
    return float((abs(p - g) / abs(g) <= 1 - THRESHOLDS).mean())


def relative_closeness(given: str, gold: str) -> float:
    """1 − min(1, |p − t| / |t|), the regression reward of Video-R1."""
    p, t = as_float(given), as_float(gold_number(gold))
    return float(p == 0) if t == 0 else 1.0 - min(1.0, abs(p - t) / abs(t))


def progress_closeness(given: str, gold: str) -> float:
    """clip(1 − |p − t| / 100, 0, 1) with both in percent (PRIMO, SOLE-R1)."""
    return max(0.0, 1.0 - abs(as_float(given) - as_float(gold_number(gold))) / 100.0)


def as_float(value: str) -> float:
    """The number of a canonical text, its percent sign dropped."""
    return float(value.rstrip("%"))


def id_and_interval(given: str, gold: str) -> float:
    """(1[same id] + tIoU) / 2, the two rewards of STVG-R1 scaled to [0, 1]."""
    a, b = json.loads(given), json.loads(gold)
    return (float(a["id"] == b["id"]) + tiou(a["time"], b["time"])) / 2


def same_text(given: str, gold: str) -> float:
    """1 if equal after normalisation (case, articles, punctuation, a lead-in such as "the answer is")."""
    return float(normal(gold) in (normal(given), lead_in(normal(given))))


def read_text(sample: Sample, text: str) -> Reading:
    """The answer's own words; nothing to read if only punctuation is left."""
    return read(plain(text)) if normal(text) else UNPARSED


def letter_reader(sample: Sample, text: str) -> Reading:
    """The letter of the option that an answer chooses; `meta.option_labels` are the question's names for them."""
    return read_letter(text, sample.options, 8, sample.question, sample.meta.get("option_labels") or ())


def number_reader(sample: Sample, text: str) -> Reading:
    """The value an answer states, in the unit that the question asks for."""
    return read_number(text, sample.question)


VERIFIERS: dict[str, Verifier] = {
    "letter": Verifier(letter_reader, equal),
    "letters": Verifier(
        lambda sample, text: read_letters(text, sample.options), lambda a, b: float(letter_set(a) == letter_set(b))
    ),
    "letters_partial": Verifier(lambda sample, text: read_letters(text, sample.options), subset_share),
    "yes_no": Verifier(lambda sample, text: read_yes_no(text), lambda a, b: float(a == b.strip().lower())),
    "numeric": Verifier(number_reader, numbers_equal),
    "mra": Verifier(number_reader, mean_relative_accuracy),
    "relative": Verifier(number_reader, relative_closeness),
    "progress": Verifier(number_reader, progress_closeness),
    "exact": Verifier(read_text, same_text),
    "open_rule": Verifier(lambda sample, text: read_claim(text), same_claim),
    "overlap": Verifier(read_text, rouge_mean),
    "tiou": Verifier(lambda sample, text: read_interval(text), lambda a, b: tiou(json.loads(a), json.loads(b))),
    "iou": Verifier(lambda sample, text: read_box(text), lambda a, b: box_iou(json.loads(a), json.loads(b))),
    "id_interval": Verifier(lambda sample, text: read_id_interval(text), id_and_interval),
}

BY_TYPE = {
    "multiple_choice": ("letter",),
    "multi_answer": ("letters", "letters_partial"),
    "yes_no": ("yes_no",),
    "numerical": ("numeric", "mra", "relative"),
    "open": ("overlap", "exact", "open_rule"),
    "interval": ("tiou",),
    "box": ("iou",),
    "id_interval": ("id_interval",),
    "progress": ("progress",),
}  # question type → the metrics it allows, its default first


def verifier_of(sample: Sample) -> Verifier:
    """The verifier that `question_type` and `meta.metric` choose; `dataset.py` has refused other metrics."""
    allowed = BY_TYPE[sample.question_type]
    metric = sample.meta.get("metric")
    return VERIFIERS[metric if metric in allowed else allowed[0]]

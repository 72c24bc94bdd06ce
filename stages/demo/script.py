"""Who plays when: the events of one demo video, drawn from (seed, split, index) and nothing else.

Answers are dealt family by family from shuffled decks (one deck holds each possible answer once), so they are
uniform and independent of the other families, of the wording and of everything else in the picture.
"""

import hashlib
import itertools
from dataclasses import dataclass

import numpy as np

from strive.stages.demo.questions import FAMILIES, Family

DURATION_S = 32.0
VIDEO_FPS = 4
QUESTIONS_PER_VIDEO = 3
TRIPLES = tuple(itertools.combinations(FAMILIES, QUESTIONS_PER_VIDEO))  # every family in 6 of the 10


@dataclass(frozen=True)
class Showing:
    """One thing on screen for a while: what it is, when, where and how large."""

    kind: str  # the family it is evidence for
    value: str  # red, square, left, 3, ...
    start_s: float  # first video frame that shows it
    end_s: float  # last video frame that shows it
    x: float  # centre as a fraction of the width; a comet's at half time
    y: float
    size: float  # diameter as a fraction of the width
    seed: int  # for its inner layout


@dataclass(frozen=True)
class Asked:
    """One question about a video with its gold answer and the showings that prove it."""

    family: Family
    wording: str
    answer: str
    showings: tuple[Showing, ...]


@dataclass(frozen=True)
class Script:
    """Everything that happens in one video."""

    split: str
    index: int
    scenery_seed: int
    asked: tuple[Asked, ...]

    @property
    def showings(self) -> tuple[Showing, ...]:
        """All showings of the video, in order of questions."""
        return tuple(showing for asked in self.asked for showing in asked.showings)


def generator(*parts: object) -> np.random.Generator:
    """A random generator that depends on the given words and numbers only."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def write_script(seed: int, split: str, index: int) -> Script:
    """The script of video ``index`` of a split; the same arguments give the same script anywhere."""
    rng = generator("script", seed, split, index)
    names = list(rng.permutation(TRIPLES[index % len(TRIPLES)]))
    lengths = [[_duration(rng, bounds) for bounds in FAMILIES[name].seconds] for name in names]
    starts = _lay_out(rng, [length for group in lengths for length in group])
    asked = []
    for name, group in zip(names, lengths, strict=True):
        family = FAMILIES[name]
        answer = _dealt_answer(seed, split, family, index)
        values = _values(rng, family, answer)
        showings = tuple(
            _place(rng, family, value, starts.pop(0), length) for value, length in zip(values, group, strict=True)
        )
        asked.append(Asked(family, str(rng.choice(family.wordings)), answer, showings))
    return Script(split, index, int(rng.integers(2**31)), tuple(asked))


def _duration(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(rng.integers(round(bounds[0] * VIDEO_FPS), round(bounds[1] * VIDEO_FPS) + 1)) / VIDEO_FPS


def _lay_out(rng: np.random.Generator, lengths: list[float]) -> list[float]:
    """Start times of consecutive, never overlapping showings, the free time split at random."""
    gap = 1.0 / VIDEO_FPS
    free = DURATION_S - sum(lengths) - gap * (len(lengths) + 1)
    cuts = np.sort(rng.uniform(0, free, len(lengths)))
    starts, taken = [], gap
    for cut, length in zip(cuts, lengths, strict=True):
        starts.append(round((cut + taken) * VIDEO_FPS) / VIDEO_FPS)
        taken += length + gap
    return starts


def _dealt_answer(seed: int, split: str, family: Family, index: int) -> str:
    round_, position = divmod(index, len(TRIPLES))
    turns = [place for place, triple in enumerate(TRIPLES) if family.name in triple]
    occurrence = round_ * len(turns) + turns.index(position)
    deck, card = divmod(occurrence, len(family.choices))
    order = generator("deck", seed, split, family.name, deck).permutation(len(family.choices))
    return family.choices[order[card]]


def _values(rng: np.random.Generator, family: Family, answer: str) -> list[str]:
    """What each showing shows: for order the answer and then another shape, else the answer."""
    if family.name != "order":
        return [answer]
    return [answer, str(rng.choice([shape for shape in family.choices if shape != answer]))]


def _place(rng: np.random.Generator, family: Family, value: str, start_s: float, length_s: float) -> Showing:
    x, y = rng.uniform(0.24, 0.76, 2)
    last = start_s + length_s - 1.0 / VIDEO_FPS
    size = float(rng.uniform(0.30, 0.36)) * family.scale
    return Showing(family.name, value, start_s, last, float(x), float(y), size, int(rng.integers(2**31)))

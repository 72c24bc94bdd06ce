"""Prints, as docs/variants.md shows it, how often an operator changes an answer, with and without the guard.

    python tests/benchmarks/label_preservation.py [--videos 20] [--json]

The built-in world goes through extract, score and variants. The answer is read off the pixels and times of each bundle,
never off the operators' records, and compared with the gold answer of the world's script. Every view shows every frame
of the video, so that nothing but the operator can change what is seen.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from label_readers import READERS

from strive.cache.artefact import Artefact
from strive.cache.store import Store
from strive.configs.data_stages import ExtractConfig, ScoreConfig, VariantsConfig
from strive.configs.schema import Config
from strive.stages.bundle import Bundle
from strive.stages.demo.world import WorldFiles, write_world
from strive.stages.plan import Job, VideoRef
from strive.stages.runner import run_chain
from strive.stages.tasks.dataset import read_dataset

OPERATORS = ("flip", "reverse", "shuffle", "grayscale")
SIGHTED = {"grayscale": ("colour", "detail")}  # without colours the other readers would take a comet for a shape
SEED, FRAMES = 97, 64


@dataclass(frozen=True)
class Row:
    """One family under one operator: shares of the questions that are readable on the untouched view."""

    family: str
    operator: str
    questions: int  # of the family
    readable: int  # of them, whose gold answer is read off the untouched view
    changed_unguarded: float
    changed_guarded: float
    vetoed: float  # with the guard, views that the operator was taken from


def bundles(world: WorldFiles, store: Store, guard: bool) -> list[Bundle]:
    """The bundles of all questions, each with the untouched view and one view for each operator."""
    samples = read_dataset(world.evaluation)
    config = Config(
        extract=ExtractConfig(fps=1.0, min_frames=16, max_frames=FRAMES, short_side=112),
        score=ScoreConfig(scorer="hash", tiles=0),
        variants=VariantsConfig(count=1 + len(OPERATORS), frames=FRAMES, operators=("canonical", *OPERATORS),
                                guard=guard))
    videos = [VideoRef(name, world.videos / name) for name in dict.fromkeys(sample.video for sample in samples)]
    job = Job(config, store, samples=samples, videos_dir=world.videos, videos=videos)
    run_chain("variants", job)
    made = job.results["variants"]
    missing = [f"{name}: {one}" for name, one in made.items() if not isinstance(one, Artefact)]
    if missing:
        raise SystemExit(f"no bundle of {missing[0]}")
    return [Bundle.open(one.file("bundle.h5")) for one in made.values() if isinstance(one, Artefact)]


def reading(bundle: Bundle, variant: int) -> str | None:
    """What a view says is the answer to its bundle's question."""
    view = bundle.variant(variant)
    (frames,) = view.clips()
    return READERS[str(bundle.sample.meta["family"])](frames, view.times)


def measure(on: list[Bundle], off: list[Bundle]) -> Iterator[Row]:
    """A row for each family and operator from the same questions' bundles with and without the guard."""
    for family in READERS:
        pairs = [(a, b) for a, b in zip(on, off, strict=True) if a.sample.meta["family"] == family]
        seen = [(a, b) for a, b in pairs if reading(a, 0) == reading(b, 0) == a.sample.answer]
        for variant, operator in enumerate(OPERATORS, 1):
            if not seen or family not in SIGHTED.get(operator, READERS):
                continue
            guarded, unguarded = ([one[side].sample.answer != reading(one[side], variant) for one in seen]
                                  for side in (0, 1))
            vetoed = [any(veto["operator"] == operator for veto in a.variant(variant).vetoes) for a, _ in seen]
            yield Row(family, operator, len(pairs), len(seen), share(unguarded), share(guarded), share(vetoed))


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def run(videos: int) -> list[Row]:
    """All rows, from a world of so many videos in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        world = write_world(Path(folder) / "world", SEED, 0, videos)
        store = Store(Path(folder) / "cache")
        return list(measure(bundles(world, store, True), bundles(world, store, False)))


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    head = ["family", "operator", "questions read", "answer changed, no guard", "answer changed, guard", "vetoed"]
    body = [[row.family, f"`{row.operator}`", f"{row.readable} of {row.questions}", f"{row.changed_unguarded:.2f}",
             f"{row.changed_guarded:.2f}", f"{row.vetoed:.2f}"] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *body])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = run(asked.videos)
    sys.stdout.write((json.dumps([asdict(row) for row in rows]) if asked.json else table(rows)) + "\n")


if __name__ == "__main__":
    main()

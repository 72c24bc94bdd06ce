"""Measures embed, score and bundles beside their floors: the score part of `data_stages.py`, or by itself.

    python tests/benchmarks/data_stages_score.py [--repeats 3] [--frames 11]

The model has the shape of ViT-B-32 and random weights, which take as long. Floors: forwards of the same size and number
without anything around them; decoding, encoding and copying of the same images. What is compared is measured in turn;
multiples are taken within a round, then the median.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import open_clip
import torch

from strive.cache.store import Artefact, Store
from strive.configs.data_stages import ScoreConfig, VariantsConfig
from strive.configs.schema import Config
from strive.stages.bundle import Bundle, hdf5, write_bundle
from strive.stages.bundle.images import decode, encode
from strive.stages.bundle.pool import read_pool
from strive.stages.engine.local import in_stream
from strive.stages.engine.publishing import Press
from strive.stages.frames.frameset import FrameSet, write_frames
from strive.stages.frames.scores import Scores
from strive.stages.interrupt import StopFlag
from strive.stages.plan import Job
from strive.stages.score import embed, stage
from strive.stages.score.clip import ClipEncoder
from strive.stages.score.embeddings import Embeddings, write_embeddings
from strive.stages.score.tiles import tile_boxes
from strive.stages.tasks.sample import Sample
from strive.stages.views.build import build_views
from strive.stages.views.operators import changes_pixels, render

HEIGHT, WIDTH, BATCH, VIDEOS = 252, 448, 16, 3
QUESTIONS, POOL, FEWEST = 1000, 256, 64


@dataclass
class Timed:
    """Something that is timed, once `before` was called; `floor` is the name of what it is compared with."""

    name: str
    run: Callable[[], Any]
    floor: str
    before: Callable[[], Any] = lambda: None
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


class FreeTexts(ClipEncoder):
    """The encoder with texts that cost nothing, so that all else can be seen."""

    known: dict[str, np.ndarray]

    def _encode_text(self, text: str) -> np.ndarray:
        return self.known[text]


def table(title: str, cases: Sequence[Timed], repeats: int) -> list[list[str]]:
    """Each case `repeats` times in turn: medians, and the multiple of its floor within each round."""
    for _ in range(repeats):
        for case in cases:
            case.before()
            wall, cpu = time.perf_counter(), time.process_time()
            case.run()
            case.seconds.append(time.perf_counter() - wall)
            case.cpu.append(time.process_time() - cpu)
    by_name = {case.name: case for case in cases}
    lines = [[title, "s", "CPU s", "× floor"]]
    for case in cases:
        ratios = [a / b for a, b in zip(case.seconds, by_name[case.floor].seconds, strict=True)]
        lines.append([case.name, f"{statistics.median(case.seconds):.4f}", f"{statistics.median(case.cpu):.4f}",
                      f"{statistics.median(ratios):.3f}"])
    return lines


def clip(kind: type[ClipEncoder] = ClipEncoder) -> Any:
    """An encoder of the shape of ViT-B-32 with random weights, on the CPU."""
    torch.manual_seed(0)
    model, _, prepare = open_clip.create_model_and_transforms("ViT-B-32", pretrained=None)
    return kind(model, prepare, open_clip.get_tokenizer("ViT-B-32"), torch.device("cpu"), BATCH)


def pictures(count: int, seed: int) -> FrameSet:
    """Frames of large patches with grain, as JPEG."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, 5, (HEIGHT, WIDTH, 3))
    images = [cv2.resize(rng.integers(0, 255, (6, 10, 3), dtype=np.uint8), (WIDTH, HEIGHT)) for _ in range(count)]
    encoded = [encode(np.clip(image + np.roll(grain, 7 * i, 1), 0, 255).astype(np.uint8))
               for i, image in enumerate(images)]
    return FrameSet(np.arange(count) * 1.0, np.arange(count), np.tile(np.int32([HEIGHT, WIDTH]), (count, 1)), encoded)


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random directions."""
    rows = rng.standard_normal(shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def forget(store: Store, *stages: str) -> None:
    """Empty these stages' folders."""
    for name in stages:
        shutil.rmtree(store.root / name, ignore_errors=True)


def publish_all(made_by: Any, maker: Any, job: Job) -> dict[str, Any]:
    """All items of a stage as the local engine makes them: claimed, made as a stream, published."""
    results: dict[str, Any] = {}
    items, stop = made_by.items(job), StopFlag()
    press = Press.of(made_by, job, False, stop)
    in_stream(press, maker, items, lambda item, made: results.update({item.id: made}), stop)
    job.results[made_by.name] = results
    assert all(isinstance(one, Artefact) for one in results.values())
    return results


def embed_table(store: Store, frames: int, repeats: int) -> tuple[list[list[str]], Job, Any]:
    """Videos that share forwards beside bare forwards of as many; also the job and the encoder."""
    encoder, config = clip(), Config(score=ScoreConfig(scorer="hash", tiles=0, batch=BATCH))
    names = [f"{n}.mp4" for n in range(VIDEOS)]
    made = {name: store.publish("extract", f"{n:064x}", write_frames(pictures(frames, n)), {})
            for n, name in enumerate(names)}
    samples = [Sample(name, name, f"What is in {name}?", None, "", "open") for name in names]
    job = Job(config, store, samples, results={"extract": {**made}})
    maker, count = embed.EmbedMaker(encoder, config), -(-frames * VIDEOS // BATCH)
    pixels = torch.randn(BATCH, 3, 224, 224)

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(count):
                encoder.model.encode_image(pixels)

    bare()
    floor = f"{count} forwards of {BATCH} images"
    return table(f"embed, {VIDEOS} videos of {frames} frames", [
        Timed(floor, bare, floor),
        Timed("as a stream: forwards shared, frames decoded meanwhile",
              lambda: publish_all(embed.STAGE, maker, job), floor, lambda: forget(store, "embed")),
        Timed("one video after the other", lambda: [maker.make(item) for item in embed.STAGE.items(job)], floor),
    ], repeats), job, encoder


def question_table(job: Job, encoder: Any, repeats: int) -> list[list[str]]:
    """The first question about a video of as few frames as extract takes, without tiles, and the second."""
    embedding, scoring = embed.EmbedMaker(encoder, job.config), stage.ScoreMaker(encoder, job.config)
    kept = job.store.publish("extract", "e" * 64, write_frames(pictures(FEWEST, 50)), {})
    alone = Job(job.config, job.store, job.samples[:1], results={"extract": {job.samples[0].video: kept}})

    def ask() -> None:
        encoder.text.cache_clear()
        publish_all(stage.STAGE, scoring, alone)

    def first() -> None:
        publish_all(embed.STAGE, embedding, alone)
        ask()

    return table(f"score, one video of {FEWEST} frames", [
        Timed("first question", first, "first question", lambda: forget(job.store, "embed", "score")),
        Timed("second question", ask, "first question", lambda: forget(job.store, "score")),
        Timed("its text encoder alone", lambda: encoder.text.__wrapped__("What is in 0.mp4?"), "first question"),
    ], repeats)


def thousand_table(store: Store, repeats: int) -> list[list[str]]:
    """Many questions about one long video with its tiles, without the text encoder's time."""
    encoder, rng, config = clip(FreeTexts), np.random.default_rng(0), Config(score=ScoreConfig(scorer="hash"))
    samples = [Sample(f"q{n}", "long.mp4", f"What is number {n}?", None, "", "open") for n in range(QUESTIONS)]
    encoder.known = {sample.question: unit(rng, 512) for sample in samples}
    rows = Embeddings(unit(rng, POOL, 512), unit(rng, POOL, 9, 512), tile_boxes(3, 0.6), np.arange(POOL) * 1.0, {})
    kept = store.publish("embed", "f" * 64, write_embeddings(rows), {})
    job = Job(config, store, samples, results={"embed": {"long.mp4": kept}})

    def all_at_once() -> None:
        publish_all(stage.STAGE, stage.ScoreMaker(encoder, config), job)

    def without_cache() -> None:
        maker = stage.ScoreMaker(encoder, config)
        assert sum(1 for _ in maker.make_stream(iter(stage.STAGE.items(job)))) == QUESTIONS

    name = f"{QUESTIONS} questions, texts free, claimed and published"
    return table(f"score, {POOL} frames with 9 tiles", [
        Timed(name, all_at_once, name, lambda: forget(store, "score")),
        Timed("of that, tokens, cosines and files", without_cache, name),
        Timed("as many folders with two files, synced once", lambda: plain_folders(store.root / "plain"), name,
              lambda: forget(store, "plain")),
    ], repeats)


def plain_folders(folder: Path) -> None:
    """What the disk takes to hold a score artefact for each question, whoever writes them."""
    folder.mkdir()
    for n in range(QUESTIONS):
        os.mkdir(f"{folder}/{n}")
        for name, size in (("score.safetensors", POOL * 52), ("manifest.json", 1900)):
            fd = os.open(f"{folder}/{n}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(fd, bytes(size))
            os.close(fd)
    os.sync()


def bundle_table(folder: Path, repeats: int) -> list[list[str]]:
    """Writing and reading a default bundle beside decoding, encoding and copying the same images."""
    frames, config, rng = pictures(128, 9), VariantsConfig(), np.random.default_rng(1)
    raw = rng.standard_normal(128).astype(np.float32)
    scores = Scores(raw, raw, frames.times, tile_boxes(3, 0.6), rng.random((128, 9), np.float32), {})
    sample = Sample("q", "a.mp4", "What is it?", None, "", "open")
    views = build_views(sample.blind(), scores, frames.sizes, config)
    data = write_bundle(sample, frames, scores, views, config, "0" * 64)
    path = folder / "bundle.h5"
    path.write_bytes(data)
    bundle = Bundle.open(path)
    changed = {(int(i), str(steps)): (int(i), steps) for view in views for at, i in enumerate(view.indices)
               if (steps := changes_pixels(view, at))}
    with hdf5.open_read(path) as file:
        pool, sizes = read_pool(hdf5.group_at(file, "pool"))
    shown = [int(slot) for variant in bundle.variants for slot in variant.index]

    def encode_and_copy() -> None:
        made = [encode(render(frames.image(i), steps, i)) for i, steps in changed.values()]
        b"".join((*made, *pool[len(made) :]))

    def read() -> None:
        opened = Bundle.open(path)
        for k in range(opened.n_variants):
            opened.variant(k).clips()

    write_floor, read_floor = f"{len(changed)} images cropped, encoded, copied", f"{len(shown)} images decoded"
    share = len(data) / sum(map(len, set(pool)))
    return table(f"bundle of {len(data) / 1e6:.1f} MB, {share:.4f} × its images", [
        Timed(write_floor, encode_and_copy, write_floor),
        Timed("write", lambda: write_bundle(sample, frames, scores, views, config, "0" * 64), write_floor),
        Timed(read_floor, lambda: [decode(pool[slot], sizes[slot]) for slot in shown], read_floor),
        Timed("open and decode all variants", read, read_floor),
        Timed("open", lambda: Bundle.open(path), read_floor),
    ], repeats)


def rows(repeats: int = 3, frames: int = 11) -> list[list[list[str]]]:
    """The tables of embed, score and bundles, each a list of rows, the header first."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        first, job, encoder = embed_table(store, frames, repeats)
        return [first, question_table(job, encoder, 1), thousand_table(store, repeats),
                bundle_table(Path(folder), 3 * repeats)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frames", type=int, default=11, help="frames of each embedded video")
    options = parser.parse_args()
    for one in rows(options.repeats, options.frames):
        sys.stdout.write("\n" + "".join("| " + " | ".join(line) + " |\n" for line in one))


if __name__ == "__main__":
    main()

"""Several processes read one bundle at random, forked or started anew: every value is the one that was written.

The processes come from one that has done nothing else: to fork one with all the threads of a test run is not their way.
"""

import hashlib
import multiprocessing
import random
import subprocess
import sys
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import h5py
import numpy as np
import pytest

from strive.stages.bundle import Bundle

WORKERS = 4
Row = tuple[str, int, int]
"""Bundle, view, digest of what was read."""


def digest_of_view(bundle: Bundle, k: int) -> int:
    """A number that any other pixel, time or order would change."""
    variant = bundle.variant(k)
    parts = [clip.tobytes() for clip in variant.clips()] + [variant.times.tobytes(), variant.index.tobytes()]
    return hash_of(b"".join(parts))


def hash_of(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def read_at_random(paths: list[str], reads: int, seed: int, answers: "SimpleQueue[list[Row]]") -> None:
    """In a worker: open lazily, read views in random order, tell what was read."""
    draw, opened, found = random.Random(seed), dict[str, Bundle](), set()
    for _ in range(reads):
        path = draw.choice(paths)
        if path not in opened or draw.random() < 0.1:
            opened[path] = Bundle.open(Path(path))
        k = draw.randrange(opened[path].n_variants)
        found.add((path, k, digest_of_view(opened[path], k)))
    answers.put(sorted(found))


def truth_of(path: Path) -> dict[int, int]:
    """The same numbers from the file as it lies there, with h5py and OpenCV alone."""
    import cv2

    found = {}
    with h5py.File(path) as file:
        offsets, pool = file["pool/offsets"][:], file["pool/bytes"][:]
        for k in range(len(file["variants"])):
            group = file[f"variants/{k}"]
            index, times, clips = (group[name][:] for name in ("index", "times", "clips"))
            images = [cv2.imdecode(pool[offsets[i]:offsets[i + 1]], cv2.IMREAD_COLOR_RGB) for i in index]
            pixels = b"".join(np.stack(images[a:b]).tobytes() for a, b in zip(clips[:-1], clips[1:], strict=True))
            found[k] = hash_of(pixels + times.tobytes() + index.tobytes())
    return found


def check(calm: Path, how: str, reads: int) -> None:
    paths = sorted(calm.glob("variants/??/*/bundle.h5"))[:3]
    truth = {str(path): truth_of(path) for path in paths}
    opened = [Bundle.open(path) for path in paths]  # a handle from before the fork must not matter
    assert all(digest_of_view(bundle, 0) == truth[str(path)][0] for bundle, path in zip(opened, paths, strict=True))
    context = multiprocessing.get_context(how)
    answers = context.SimpleQueue()
    workers = [context.Process(target=read_at_random, args=([str(path) for path in paths], reads, seed, answers))
               for seed in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    found = [row for _ in workers for row in answers.get()]
    assert len(found) >= WORKERS and all(truth[path][k] == digest for path, k, digest in found)
    assert {(path, k) for path, k, _ in found} == {(path, k) for path in truth for k in truth[path]}


def check_apart(calm: Path, how: str, reads: int) -> None:
    """`check` in a process of its own."""
    done = subprocess.run([sys.executable, __file__, str(calm), how, str(reads)], capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["spawn", "fork"])
def test_four_workers_read_what_was_written(calm: Path, how: str) -> None:
    check_apart(calm, how, 60)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["spawn", "fork"])
def test_four_workers_with_a_thousand_random_reads_each_read_what_was_written(calm: Path, how: str) -> None:
    check_apart(calm, how, 1000)


if __name__ == "__main__":
    check(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

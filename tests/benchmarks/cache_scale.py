"""How quick the cache's own commands are over a large cache: `python tests/benchmarks/cache_scale.py --out DIR`.

Makes a cache of 100,000 score and 100,000 variants artefacts and 1,000 extract ones (small files, nothing synced), as
the stages leave it, then times the real commands in processes of their own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from strive.cache import catalogue, manifest
from strive.cache.artefact import Artefact
from strive.cache.atomic import json_bytes
from strive.cache.digest import digest_bytes
from strive.cache.key import make_key
from strive.cache.store import Store

COMMANDS = (
    ("cache ls", "cache", "ls"), ("status", "status"), ("cache ls score", "cache", "ls", "score"),
    ("cache ls score --json", "cache", "ls", "score", "--json"), ("cache verify", "cache", "verify"),
    ("cache gc --dry-run", "cache", "gc", "--dry-run"),
)


def main() -> None:
    """Make the cache if it is not there, then print one row a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the cache lies; made when missing")
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--videos", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if not options.out.exists():
        started = time.monotonic()
        make(Store(options.out), options.samples, options.videos)
        print(f"made in {time.monotonic() - started:.0f} s")
    folders = sum(1 for _ in options.out.rglob("*/"))
    print(f"{folders} folders, the largest with {largest(options.out)} entries")
    print(f"{'command':<28}{'first s':>9}{'best s':>9}{'MiB':>7}")
    for name, *arguments in COMMANDS:
        times, peak = zip(*(timed(options.out, arguments) for _ in range(options.repeat)), strict=True)
        print(f"{name:<28}{times[0]:>9.2f}{min(times):>9.2f}{max(peak):>7.0f}", flush=True)


def make(store: Store, samples: int, videos: int) -> None:
    """The artefacts of all stages and the records that the last runs leave."""
    frames = [put(store, "extract", n, []) for n in range(videos)]
    remember(store, "extract", ((one.key, f"v{n}.mp4") for n, one in enumerate(frames)), videos)
    for stage in ("score", "variants"):
        rows = []
        for n in range(samples):
            before = frames[n % videos]
            made = put(store, stage, n, [{"name": "frames", "stage": "extract", "digest": before.digest}])
            rows.append((made.key, f"q{n}"))
        remember(store, stage, rows, samples)


def put(store: Store, stage: str, number: int, inputs: list[dict[str, str]]) -> Artefact:
    """One artefact as `publish` leaves it, but for the syncs."""
    key, data = make_key(stage, 1, {"n": number}, {}), f"{stage} {number} ".encode() * 20
    place = store.root / stage / key[:2] / key
    place.mkdir(parents=True)
    (place / "data.bin").write_bytes(data)
    outputs = [{"path": "data.bin", "bytes": len(data), "digest": digest_bytes(data)}]
    made = {**manifest.build(stage, key, {"version": 1, "inputs": inputs}), "outputs": outputs}
    (place / "manifest.json").write_bytes(json_bytes(made))
    artefact = Artefact(stage, key, store.root, made)
    catalogue.Catalogue(store.root).note([artefact])
    return artefact.light()


def remember(store: Store, stage: str, rows: Iterator[tuple[str, str]] | list[tuple[str, str]], count: int) -> None:
    """The summary of a last run."""
    store.remember(f"last-run/{stage}", {"stage": stage, "total": count, "done": count, "cached": 0, "failed": [],
                                         "bytes": 0, "finished": time.time(), "command": f"strive {stage}"})
    store.index.remember_list(f"last-run/{stage}", rows)


def largest(root: Path) -> int:
    """Entries in the fullest folder."""
    return max(len(folders) + len(files) for _parent, folders, files in os.walk(root))


def timed(root: Path, arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of one command in its own process."""
    code = "from strive.cli.main import main; main()"
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen([sys.executable, "-c", code, *arguments, "--cache-dir", str(root)],
                                 stdout=out, stderr=err)
        _pid, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        err.seek(0)
        if status:
            raise SystemExit(f"{arguments}: exit {os.waitstatus_to_exitcode(status)}: {err.read().decode()}")
    return seconds, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()

"""A tiny real dataset, the command lines over it, and what must hold of the cache that they leave."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videos import make_video

STAGES = ("extract", "embed", "score", "variants")
OF_THE_RUN = ("created", "seconds", "host", "code")
"""What a manifest says about the run that wrote it, not about the content."""


@dataclass(frozen=True)
class World:
    """A dataset file beside its folder of videos."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data.jsonl"

    @property
    def videos(self) -> Path:
        return self.folder / "videos"

    def command(self, stage: str, cache: Path, *more: str) -> list[str]:
        """What follows `strive` to run `stage` with the shipped CLIP and demo sizes, two items at a time."""
        given = [str(self.videos)] if stage == "extract" else ["--data", str(self.data), "--videos", str(self.videos)]
        workers = () if "--workers" in more else ("--workers", "2")
        return [stage, *given, "--preset", "demo", "--cache-dir", str(cache), "--json", *workers, *more]


def make_world(folder: Path, videos: int = 4, questions: int = 3) -> World:
    """`videos` clips of three seconds (64 × 48), each with `questions` questions."""
    world, rows = World(folder), []
    world.videos.mkdir(parents=True)
    for v in range(videos):
        make_video(world.videos / f"v{v}.mp4", 24, 8, numbers=[v * 100 + i for i in range(24)])
        rows += [{"id": f"v{v}-{q}", "video": f"v{v}.mp4", "question": f"What colour is corner {q} of clip {v}?",
                  "options": ["red", "green", "blue"], "answer": "ABC"[q % 3], "question_type": "multiple_choice"}
                 for q in range(questions)]
    world.data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return world


def contents(cache: Path, stages: tuple[str, ...] = STAGES) -> dict[str, str]:
    """The digest of every file of every artefact by its path; of a manifest, what does not change from run to run."""
    return {str(path.relative_to(cache)): _digest(path) for path in _files(cache, stages)}


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.name == "manifest.json":
        kept = {name: value for name, value in json.loads(data).items() if name not in OF_THE_RUN}
        data = json.dumps(kept, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def _files(cache: Path, stages: tuple[str, ...]) -> Iterator[Path]:
    for stage in stages:
        for folder, _, names in os.walk(cache / stage):
            if "/.tmp-" not in folder:
                yield from (Path(folder) / name for name in names if not name.startswith(".tmp-"))


def marks(cache: Path) -> dict[str, tuple[int, int]]:
    """(inode, time of writing) of every finished artefact's manifest: another pair means that it was made again."""
    found = {}
    for place in cache.glob("*/??/*/manifest.json"):
        stat = place.stat()
        found[str(place.parent.relative_to(cache))] = (stat.st_ino, stat.st_mtime_ns)
    return found


def count(cache: Path, stage: str) -> int:
    """How many finished artefacts of a stage there are."""
    return len(list(cache.glob(f"{stage}/??/*/manifest.json")))


def incomplete(cache: Path) -> list[str]:
    """What a reader that trusts manifests would find wrong: files missing, short, or of other bytes."""
    wrong = []
    for place in cache.glob("*/??/*/manifest.json"):
        for output in json.loads(place.read_bytes())["outputs"]:
            data = (place.parent / output["path"]).read_bytes()
            if f"sha256:{hashlib.sha256(data).hexdigest()}" != output["digest"]:
                wrong.append(f"{place.parent.relative_to(cache)}/{output['path']}")
    return wrong


def left_over(cache: Path) -> list[str]:
    """Temporary names and locks; none may stay after a run that ended by itself."""
    return sorted(str(Path(folder, name).relative_to(cache)) for folder, folders, names in os.walk(cache)
                  for name in (*folders, *names) if name.startswith(".tmp-") or name.endswith(".lock"))


def running(session: int) -> list[int]:
    """The processes of a session that still run (the dead that nobody collected do not count)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def wait_until(reached: Callable[[], object], within_s: float = 30) -> None:
    """Look until it is so; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, "never came so far"
        time.sleep(0.002)


def answer_of(text: str) -> dict[str, Any]:
    """The JSON object that a command printed."""
    found: dict[str, Any] = json.loads(text)
    return found

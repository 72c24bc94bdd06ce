"""`strive` typed in a test: the real command in this process, with its real decode children, and what it leaves."""

import io
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.cache.digest import digest_file
from strive.cache.store import Artefact, Store
from strive.cli.main import run
from strive.stages.frames.frameset import FrameSet, read_frames

QUICK = ("score.scorer=hash", "score.tiles=2", "variants.frames=4", "extract.min_frames=8", "extract.max_frames=12")
"""Settings under which the whole chain needs no model."""


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def reasons(self) -> dict[str, str]:
        """The failed items with their reasons."""
        return {row["id"]: row["reason"] for row in self.answer["failed"]}


def strive(*arguments: str | Path, sets: tuple[str, ...] = ()) -> Done:
    """Run `strive ARGUMENTS` with `--set` for each of `sets`."""
    out, err = io.StringIO(), io.StringIO()
    given = [str(one) for one in arguments] + [word for one in sets for word in ("--set", one)]
    with as_if_typed(given), redirect_stdout(out), redirect_stderr(err):
        code = run(given)
    return Done(code, out.getvalue(), err.getvalue())


@contextmanager
def as_if_typed(arguments: list[str]) -> Iterator[None]:
    """The app registers the command that it finds typed; its signal handlers must not stay in the test run."""
    argv, sys.argv = sys.argv, ["strive", *arguments]
    sys.modules.pop("strive.cli.app", None)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)}
    try:
        yield
    finally:
        sys.argv = argv
        for number, handler in before.items():
            signal.signal(number, handler)


def write_rows(path: Path, videos: dict[str, str]) -> Path:
    """A dataset of open questions: sample id → video."""
    rows = [{"id": name, "video": video, "question": f"What is shown ({name})?", "options": None, "answer": "blocks",
             "question_type": "open", "meta": {}} for name, video in videos.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def artefacts(cache: Path, stage: str) -> list[Artefact]:
    """The finished artefacts of a stage."""
    return list(Store(cache).entries(stage))


def frames_by_file(cache: Path, folder: Path) -> dict[str, FrameSet]:
    """The extracted frames of every file of a folder that has some, by the file's name; found by the file's digest."""
    made = {one.manifest["inputs"][0]["digest"]: one for one in artefacts(cache, "extract")}
    digests = {path.name: digest_file(path) for path in folder.iterdir() if path.is_file()}
    return {name: read_frames(made[digest]) for name, digest in digests.items() if digest in made}

"""A server of its own for each test, and jobs that fetch from it."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fetch.web_server import Server, serving

from strive.cache.store import Artefact, Store
from strive.configs.schema import Config
from strive.stages.plan import Job
from strive.stages.runner import StageOutcome, run_chain
from strive.stages.tasks.videos import video_ref

pytest.importorskip("aiohttp", reason="the extra remote is not installed")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback server is asked directly, whatever the machine's proxy is, and again after short pauses."""
    monkeypatch.setattr("strive.stages.fetch.download.FIRST_PAUSE_S", 0.02)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as one:
        yield one


class Fetched:
    """A job over URLs and what came of it."""

    def __init__(self, job: Job, outcome: StageOutcome) -> None:
        self.job, self.outcome, self.results = job, outcome, job.results["fetch"]

    @property
    def reason(self) -> str:
        """Why the only video was not fetched."""
        return self.outcome.failed[0]["reason"] if self.outcome.failed else "it was fetched"

    @property
    def artefact(self) -> Artefact:
        """The only video."""
        (found,) = self.results.values()
        assert isinstance(found, Artefact), found
        return found

    @property
    def data(self) -> bytes:
        """The only video's bytes, checked against the manifest."""
        return self.artefact.file("video").read_bytes()


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., Fetched]:
    """Run the stage over URLs; the cache is the test's own."""

    def run(*urls: str, force: bool = False, workers: int = 1, **settings: Any) -> Fetched:
        config = Config.model_validate({"fetch": {"silence_s": 5.0, "retries": 3, **settings}})
        job = Job(config, Store(tmp_path / "cache"), videos=[video_ref(url, tmp_path) for url in urls],
                  workers=workers, force=force)
        return Fetched(job, run_chain("fetch", job)["fetch"])

    return run


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that look like no page."""
    return b"\0\0\0\x18ftyp" + random.Random(seed).randbytes(size - 8)


def digest(data: bytes) -> str:
    """As in manifests."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"

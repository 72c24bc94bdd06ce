"""Two ways to extract in tests: in this process (quick), and through the stage with its decode children (real)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strive.cache.store import Store
from strive.configs.schema import Config
from strive.stages.bundle.images import decode
from strive.stages.extract.take import prepare, take
from strive.stages.plan import Job, VideoRef
from strive.stages.runner import StageOutcome, run_chain


class Taken:
    """Frames as the child would answer them."""

    def __init__(self, header: dict[str, Any], encoded: list[bytes]) -> None:
        self.times = np.asarray(header["times"])
        self.index, self.meta, self.warnings = header["source_index"], header["meta"], header["warnings"]
        self.undecoded, self.encoded = header["undecoded"], encoded
        self.images = [decode(data, tuple(size)) for data, size in zip(encoded, header["sizes"], strict=True)]


@pytest.fixture(scope="session")
def taken() -> Callable[..., Taken]:
    """Take frames in this process, with the default config but for the named keys."""
    prepare()

    def run(path: Path, **changes: Any) -> Taken:
        settings = {**Config().extract.result_keys(), "decoder": "pyav", **changes}
        return Taken(*take({**settings, "path": str(path)}))

    return run


class Extraction:
    """A job over some videos and what came of it."""

    def __init__(self, job: Job, outcome: StageOutcome) -> None:
        self.job, self.outcome, self.results = job, outcome, job.results["extract"]

    @property
    def reasons(self) -> dict[str, str]:
        return {row["id"]: row["reason"] for row in self.outcome.failed}


@pytest.fixture
def extract(tmp_path: Path) -> Callable[..., Extraction]:
    """Run the stage over files named by their base names; the cache is the test's own."""

    def run(*paths: Path, workers: int = 1, force: bool = False, **changes: Any) -> Extraction:
        config = Config.model_validate({"extract": changes})
        videos = [VideoRef(path.name, path) for path in paths]
        job = Job(config, Store(tmp_path / "cache"), videos=videos, workers=workers, force=force)
        return Extraction(job, run_chain("extract", job)["extract"])

    return run

"""Data stages on a Ray cluster of this machine: the bytes of the local engine; a killed worker costs only its item."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from videos import make_video

from strive.cache.store import Artefact, Store
from strive.configs.data_stages import ExtractConfig, ScoreConfig, VariantsConfig
from strive.configs.errors import MissingError
from strive.configs.schema import Config
from strive.stages.engine.worker import Worker
from strive.stages.plan import Job, VideoRef
from strive.stages.runner import StageOutcome, run_chain
from strive.stages.tasks.sample import Sample

ray = pytest.importorskip("ray", reason="the extra ray is not installed")
CONFIG = Config(extract=ExtractConfig(min_frames=4, short_side=32), score=ScoreConfig(scorer="hash"),
                variants=VariantsConfig(frames=4))


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error",
             runtime_env={"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}})
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for i in range(6):
        make_video(folder / f"{i}.mp4", 20, 10, numbers=list(range(20 * i, 20 * i + 20)))
    (folder / "broken.mp4").write_bytes(b"<html>")
    return folder


def job(cache: Path, footage: Path, engine: str, **more: Any) -> Job:
    names = [*(f"{i}.mp4" for i in range(6)), "broken.mp4"]
    samples = [Sample(f"q{i}", name, f"What is shown in part {i}?", None, "3", "numerical")
               for i, name in enumerate(names * 2)]
    return Job(CONFIG, Store(cache), samples=samples, locate=lambda name: VideoRef(name, footage / name),
               engine=engine, **more)


def contents(store: Store) -> dict[tuple[str, str], str]:
    return {(one.stage, one.key): one.digest for one in store.entries()}


def failures(outcome: StageOutcome) -> set[tuple[str, str]]:
    return {(one["id"], one["reason"]) for one in outcome.failed}


def test_a_cluster_makes_the_bytes_of_the_local_engine(tmp_path: Path, footage: Path) -> None:
    here, there = job(tmp_path / "here", footage, "local"), job(tmp_path / "there", footage, "ray", workers=2)
    local, remote = run_chain("variants", here), run_chain("variants", there)
    assert contents(here.store) == contents(there.store) and len(contents(there.store)) == 6 + 6 + 12 + 12
    for stage, outcome in local.items():
        assert (remote[stage].done, failures(remote[stage])) == (outcome.done, failures(outcome))
    parts = job(tmp_path / "parts", footage, "ray", workers=2, window=5)
    run_chain("variants", parts)
    assert contents(parts.store) == contents(here.store), "stages take turns at the same workers"
    again = run_chain("variants", job(tmp_path / "there", footage, "ray", workers=2))
    assert (again["variants"].done, again["variants"].cached, again["extract"].done) == (0, 12, 0)


def test_a_killed_worker_costs_only_its_item(tmp_path: Path) -> None:
    folder, cache = tmp_path / "long", tmp_path / "cache"
    folder.mkdir()
    for i in range(6):
        make_video(folder / f"{i}.mp4", 250, 25, (320, 240), numbers=[250 * i + n for n in range(250)])
    refs = [VideoRef(f"{i}.mp4", folder / f"{i}.mp4") for i in range(6)]
    killed: list[int] = []
    thread = threading.Thread(target=kill_a_worker, args=(killed, cache))
    thread.start()
    said = Warnings()
    outcome = run_chain("extract", Job(CONFIG, Store(cache), videos=refs, engine="ray", workers=2, reporter=said))
    thread.join()
    assert killed and (outcome["extract"].done + outcome["extract"].cached, outcome["extract"].failed) == (6, [])
    assert any("a worker died" in text for text in said.texts)
    plain = Job(CONFIG, Store(tmp_path / "plain"), videos=refs)
    run_chain("extract", plain)
    assert contents(Store(cache)) == contents(plain.store)


def test_a_machine_that_sees_another_cache_is_refused(tmp_path: Path) -> None:
    worker = Worker(CONFIG.model_dump(mode="json"), str(tmp_path / "elsewhere"), "a token")
    with pytest.raises(MissingError, match="is not the cache of this command"):
        worker.check_cache()


class Warnings:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)

    def info(self, text: str) -> None: ...

    def progress(self, *what: Any) -> None: ...


def kill_a_worker(killed: list[int], cache: Path) -> None:
    """SIGKILL one of the cluster's processes while it makes an item, once a first artefact is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not killed:
        if any(isinstance(one, Artefact) for one in Store(cache).entries("extract")):
            for pid in busy_workers():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
        time.sleep(0.01)


def busy_workers() -> list[int]:
    """Processes that Ray has named after the call they are in."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(b"ray::Worker.make"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found

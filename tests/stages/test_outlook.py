"""What a plan says of disk and time: guessed from settings, then measured; a run that cannot fit is refused."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from strive.cache.store import Store
from strive.configs.errors import MissingError
from strive.configs.schema import Config
from strive.stages.outlook import ENOUGH, Outlook, item_bytes, outlook, require_room
from strive.stages.plan import Job, StagePlan

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.getuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def job_with(root: Path, artefacts: int, size: int) -> Job:
    store = Store(root)
    for i in range(artefacts):
        store.publish("extract", f"{i:064x}", {"frames.h5": bytes(size)}, {})
    return Job(Config(), store)


def plan_of(job: Job, todo: int) -> StagePlan:
    size, measured = item_bytes("extract", job)
    return StagePlan("extract", "videos", todo=todo, item_bytes=size, measured=measured)


def test_sizes_are_guessed_until_enough_artefacts_were_made(tmp_path: Path) -> None:
    guess, measured = item_bytes("extract", job_with(tmp_path / "few", ENOUGH - 1, 1000))
    assert not measured and guess is not None and MIB < guess < 100 * MIB
    assert item_bytes("extract", job_with(tmp_path / "enough", ENOUGH, 1000)) == (1000, True)


def test_a_run_that_cannot_fit_is_refused_with_both_figures(small_disk: Path) -> None:
    job = job_with(small_disk / "cache", ENOUGH, 200_000)
    with pytest.raises(MissingError, match="about 19.1 MiB .* bytes are free") as error:
        require_room([plan_of(job, 100)], job)
    assert error.value.code == 5 and "strive cache gc" in error.value.do
    assert require_room([plan_of(job, 3)], job) is None


def test_a_guess_that_does_not_fit_only_warns(small_disk: Path) -> None:
    job = job_with(small_disk / "cache", 0, 0)
    assert "stops when the disk is full" in (require_room([plan_of(job, 1)], job) or "")


def test_the_time_is_told_once_a_run_has_shown_its_pace(tmp_path: Path) -> None:
    job = job_with(tmp_path, ENOUGH, 1000)
    ahead = outlook([plan_of(job, 900)], job)
    assert ahead is not None and ahead.seconds is None and ahead.writes_bytes == 900_000
    job.store.remember("last-run/extract", {"done": 50, "seconds": 25.0})
    ahead = outlook([plan_of(job, 900)], job)
    assert ahead is not None and ahead.seconds == 450 and "about 8 min as the last runs went" in ahead.line()
    assert outlook([plan_of(job, 0)], job) is None
    assert "2 h 05 min" in Outlook(0, 0, True, 7500).line()

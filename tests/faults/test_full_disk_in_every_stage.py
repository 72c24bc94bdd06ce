"""A full, read-only, forbidden or failing disk in each data stage: an exit code that says so, nothing half-written, and
the same command finishes once the disk is well again."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import STAGES, World, answer_of, contents, count, incomplete, left_over
from warm_process import WarmProcess

BLOCK = 4096
ROOT = os.geteuid() == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if not ROOT:
        pytest.skip("mounting a small file system needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(place)], capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, free_bytes: int) -> Path:
    """A file that leaves only so much room."""
    figures, ballast = os.statvfs(disk), disk / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(figures.f_bavail * figures.f_frsize - free_bytes))
    return ballast


def blocks_of(folder: Path) -> int:
    """What a folder's files take on a disk with blocks of 4 KiB."""
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_fills_up_in_a_stage_is_exit_5_and_with_room_the_same_command_finishes(
    disk: Path, world: World, warm: WarmProcess, calm: Path, stage: str
) -> None:
    cache, command = disk / "cache", world.command("variants", disk / "cache")
    for before in STAGES[:STAGES.index(stage)]:
        shutil.copytree(calm / before, cache / before)
    ballast = fill(disk, blocks_of(calm / stage) * 2 // 3)
    run = warm.start(command)
    assert run.wait() == 5, run.said()
    error = run.answer()["error"]
    assert str(disk) in error["what"] and "bytes needed" in error["what"] and "bytes free" in error["what"]
    assert count(cache, stage) < count(calm, stage)
    assert incomplete(cache) == [] and left_over(cache) == []
    ballast.unlink()
    warm.finish(command)
    assert contents(cache) == contents(calm) and left_over(cache) == []


def test_a_read_only_cache_is_refused_before_work_and_serves_what_it_has(
    disk: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    shutil.copytree(calm, disk / "cache")
    shutil.rmtree(disk / "cache" / "variants")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    run = warm.start(world.command("variants", disk / "cache"))
    assert run.wait() == 5, run.said()
    what = run.answer()["error"]["what"]
    assert str(disk) in what and "read-only" in what and run.answer()["done"] == 0
    score = warm.finish(world.command("score", disk / "cache"))
    assert (score["done"], score["cached"]) == (0, 12)


def test_a_folder_that_may_not_be_written_is_refused_naming_path_and_user(tmp_path: Path, world: World) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    command = [sys.executable, "-m", "strive.cli", *world.command("extract", shut / "cache")]
    if ROOT:  # who may write everywhere, so that right is given up first
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv to give up root's right to write everywhere")
        command = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 5, done.stderr
    what = answer_of(done.stdout)["error"]["what"]
    assert str(shut) in what and f"no permission for user {os.getuid()}" in what and not list(shut.iterdir())


def test_a_file_size_limit_cuts_a_write_short_and_leaves_no_short_file(
    tmp_path: Path, world: World, calm: Path
) -> None:
    """The kernel takes part of the bytes, then refuses: a real short write."""
    cache = tmp_path / "cache"
    largest = max(path.stat().st_size for path in (calm / "extract").rglob("frames.h5"))
    command = [sys.executable, "-m", "strive.cli", *world.command("extract", cache)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest // 2, largest // 2))

    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=60)
    assert done.returncode == 5, done.stderr
    assert str(cache) in (what := answer_of(done.stdout)["error"]["what"]) and "larger than a file may be" in what
    assert incomplete(cache) == [] and left_over(cache) == [] and count(cache, "extract") == 0

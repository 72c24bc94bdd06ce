"""A cache may be a link, on another file system, or moved; other settings, weights or decoders leave old entries."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chain_world import World, answer_of, contents, count, left_over, marks
from safetensors.numpy import load_file, save_file
from warm_process import WarmProcess

import strive.stages.demo.models as shipped

LIGHT = ("--set", "score.scorer=hash")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the tests' own."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    place = memory / f"strive-test-{os.getpid()}"
    place.mkdir()
    yield place
    shutil.rmtree(place)


def test_a_cache_behind_a_link_on_another_file_system_works_and_can_be_moved(
    tmp_path: Path, elsewhere: Path, world: World, warm: WarmProcess
) -> None:
    """A rename across file systems would fail: temporary names lie beside their targets, whatever TMPDIR says."""
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "tmp").mkdir()
    cache = tmp_path / "link" / "cache"
    command, there = world.command("variants", cache, *LIGHT), {"TMPDIR": str(tmp_path / "tmp")}
    assert warm.finish(command, there)["done"] == 12
    assert left_over(cache) == [] and not list((tmp_path / "tmp").iterdir())
    made, wanted = marks(cache), contents(cache)
    (elsewhere / "cache").rename(elsewhere / "moved")
    again = warm.finish(world.command("variants", elsewhere / "moved", *LIGHT))
    assert (again["done"], again["cached"]) == (0, 12)
    assert marks(elsewhere / "moved") == made and contents(elsewhere / "moved") == wanted
    shutil.copytree(elsewhere / "moved", tmp_path / "copied")
    assert warm.finish(world.command("variants", tmp_path / "copied", *LIGHT))["done"] == 0


def plan_of(warm: WarmProcess, command: list[str]) -> tuple[dict[str, dict[str, int]], str]:
    run = warm.start([*command, "--dry-run"])
    assert run.wait() == 0, run.said()
    plain = warm.start([*(part for part in command if part != "--json"), "--dry-run"])
    assert plain.wait() == 0
    return run.answer()["plan"], plain.said()


def test_a_changed_setting_makes_stale_says_which_and_keeps_the_old_entries(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    cache = Path(shutil.copytree(calm, tmp_path / "cache"))
    plan, said = plan_of(warm, world.command("variants", cache, "--set", "variants.frames=4"))
    assert plan["score"]["cached"] == plan["variants"]["todo"] == 12
    assert "stale" in said and "variants.frames 8 → 4" in said
    warm.finish(world.command("variants", cache, "--set", "variants.frames=4"))
    collected = warm.start(["cache", "gc", "--yes", "--cache-dir", str(cache)])
    assert collected.wait() == 0 and count(cache, "variants") == 24, "a day passes before anything is garbage"
    assert contents(calm).items() <= contents(cache).items()


def test_other_weights_make_what_was_made_with_them_stale(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    weights = tmp_path / "clip"
    shutil.copytree(Path(next(iter(shipped.__path__))) / "clip", weights)
    tensors = load_file(weights / "open_clip_model.safetensors")
    name = min(tensors)
    tensors[name] = tensors[name] + np.ones_like(tensors[name])
    save_file(tensors, weights / "open_clip_model.safetensors")
    cache = Path(shutil.copytree(calm, tmp_path / "cache"))
    plan, _ = plan_of(warm, world.command("score", cache, "--set", f"score.model={weights}"))
    assert plan["extract"]["cached"] == plan["embed"]["todo"] == 4 and plan["score"]["cached"] == 0


def test_another_series_of_the_decoder_makes_frames_stale_and_a_patch_of_it_does_not(
    tmp_path: Path, world: World, calm: Path
) -> None:
    from importlib.metadata import version

    mine = version("av")
    major, minor, *_ = mine.split(".")
    for number, todo in ((f"{major}.{minor}.99", 0), (f"{major}.{int(minor) + 1}.0", 4)):
        place = tmp_path / number / f"av-{number}.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: av\nVersion: {number}\n")
        paths = os.pathsep.join([str(place.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run([sys.executable, "-m", "strive.cli", *world.command("extract", calm), "--dry-run"],
                              env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=60)
        assert answer_of(done.stdout)["plan"]["extract"]["todo"] == todo, done.stderr


def test_a_manifest_says_what_made_it(calm: Path) -> None:
    """What a stale entry was made with can be read beside it."""
    for place in calm.glob("*/??/*/manifest.json"):
        found = json.loads(place.read_bytes())
        assert found["code"]["stage_version"] and found["config"] is not None and found["libs"]["python"]

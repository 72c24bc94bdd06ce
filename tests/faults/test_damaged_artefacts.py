"""Damage in the cache is found before a value is used, by name; what is dropped is made again, byte for byte."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import STAGES, World, contents, make_world, marks
from warm_process import WarmProcess


@pytest.fixture
def cache(tmp_path: Path, calm: Path) -> Path:
    """A finished cache that may be damaged."""
    return Path(shutil.copytree(calm, tmp_path / "cache"))


def files(cache: Path, stage: str) -> list[Path]:
    return sorted(path for path in cache.glob(f"{stage}/??/*/*") if path.name != "manifest.json")


def put(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def flip(path: Path, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    bit = draw.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    put(path, bytes(data))


def verify(warm: WarmProcess, cache: Path, *more: str) -> tuple[int | None, str]:
    run = warm.start(["cache", "verify", *more, "--cache-dir", str(cache)])
    return run.wait(), run.said()


def test_bundles_that_lost_bytes_are_made_again_and_no_others(
    cache: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    """Cut, emptied, gone, manifest gone, manifest cut: one bundle each."""
    cut, emptied, gone, unproven, torn, *_ = files(cache, "variants")
    put(cut, cut.read_bytes()[:-7])
    put(emptied, b"")
    gone.unlink()
    unproven.with_name("manifest.json").unlink()
    put(torn.with_name("manifest.json"), torn.with_name("manifest.json").read_bytes()[:-7])
    before = marks(cache)
    done = warm.finish(world.command("variants", cache))
    assert (done["done"], done["cached"]) == (5, 7) and contents(cache) == contents(calm)
    remade = {name for name, mark in marks(cache).items() if before.get(name) != mark}
    assert remade == {str(bundle.parent.relative_to(cache)) for bundle in (cut, emptied, gone, unproven, torn)}


def test_flipped_bits_are_found_by_verify_and_once_repaired_the_same_bytes_are_made(
    cache: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    hurt = [files(cache, stage)[0] for stage in STAGES]
    for path in hurt:
        flip(path, random.Random(path.name))
    code, said = verify(warm, cache, "--deep")
    assert code == 6 and all(path.parent.name in said for path in hurt)
    verify(warm, cache, "--deep", "--repair")
    assert not any(path.exists() for path in hurt)
    assert warm.finish(world.command("variants", cache))["done"] == 1
    assert contents(cache) == contents(calm) and verify(warm, cache, "--deep")[0] == 0


@pytest.mark.parametrize(("stage", "after"), [("extract", "embed"), ("embed", "score"), ("score", "variants")])
def test_a_flipped_bit_upstream_stops_the_run_before_anything_is_made_from_it(
    cache: Path, world: World, warm: WarmProcess, stage: str, after: str
) -> None:
    for name in STAGES[STAGES.index(after):]:
        shutil.rmtree(cache / name)
    draw = random.Random(after)
    for path in files(cache, stage):
        flip(path, draw)
    run = warm.start(world.command("variants", cache))
    assert run.wait() == 6, run.said()
    error = run.answer()["error"]
    assert "bytes that were written" in error["what"] and "strive cache verify --deep --repair" in error["do"]
    assert not list(cache.glob(f"{after}/??/*/manifest.json"))


@pytest.mark.slow
def test_training_stops_with_exit_5_where_bundles_are_gone_and_their_videos_too(
    tmp_path: Path, warm: WarmProcess
) -> None:
    """With the videos it makes the bundles again, as `strive variants` does."""
    small, cache, light = make_world(tmp_path / "small", 1, 2), tmp_path / "cache", ("--set", "score.scorer=hash")
    warm.finish(small.command("variants", cache, *light))
    for stage in ("extract", "variants"):
        shutil.rmtree(cache / stage)
    (small.videos / "v0.mp4").unlink()
    run = warm.start(small.command("train", cache, "--model", "demo", "--run", str(tmp_path / "run"), *light,
                                   "--set", "train.prompts_per_step=2"))
    assert run.wait() == 5, run.said()
    assert "0 usable bundles" in run.answer()["error"]["what"]
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_artefact_of_a_newer_format_stops_the_run_and_is_left_alone(
    cache: Path, world: World, warm: WarmProcess
) -> None:
    place = files(cache, "variants")[0].with_name("manifest.json")
    newer = json.dumps({**json.loads(place.read_bytes()), "format": 99}).encode()
    put(place, newer)
    run = warm.start(world.command("variants", cache))
    assert run.wait() == 6 and "made by a newer strive (format 99)" in run.answer()["error"]["what"], run.said()
    assert place.read_bytes() == newer


def positions(data: bytes, count: int) -> Iterator[bytes]:
    draw = random.Random(0)
    for _ in range(count):
        flipped = bytearray(data)
        bit = draw.randrange(len(data) * 8)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


@pytest.mark.slow
def test_of_200_flipped_bits_of_a_bundle_verify_finds_200(cache: Path, warm: WarmProcess) -> None:
    bundle = files(cache, "variants")[0]
    for stage in STAGES[:3]:
        shutil.rmtree(cache / stage)
    for other in files(cache, "variants")[1:]:
        shutil.rmtree(other.parent)
    found = 0
    for data in positions(bundle.read_bytes(), 200):
        put(bundle, data)
        code, said = verify(warm, cache, "--deep")
        found += code == 6 and bundle.parent.name in said
    assert found == 200

"""R1–R5: the same inputs give the same keys and bytes, whoever makes them, where, when and in which order."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chain_world import World, contents
from warm_process import WarmProcess

from strive.cache.digest import digest_bytes
from strive.configs.errors import VerificationError
from strive.stages.bundle import Bundle, hdf5
from strive.stages.bundle.format import FORMAT, NUMBER

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "golden"
OTHER = {"PYTHONHASHSEED": "12345", "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "TZ": "Pacific/Kiritimati"}
BOOTSTRAP = "import os; os.umask({umask}); from strive.cli.main import main; main()"


def run_cold(
    world: World, cache: Path, *more: str, umask: int = 0o022, cwd: Path | None = None, **environment: str
) -> dict[str, str]:
    """A whole chain in a new process; the contents of the cache it leaves."""
    done = subprocess.run(
        [sys.executable, "-c", BOOTSTRAP.format(umask=umask), *world.command("variants", cache, *more)],
        capture_output=True, text=True, timeout=300, cwd=cwd, env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return contents(cache)


def test_r1_one_worker_and_four_in_two_processes_give_the_same_bytes(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    for workers in ("1", "4"):
        warm.finish(world.command("variants", tmp_path / workers, "--workers", workers))
        assert contents(tmp_path / workers) == contents(calm)
    assert len(contents(calm)) > 60


def test_r2_another_hash_seed_locale_time_zone_folder_and_umask_give_the_same_bytes(
    tmp_path: Path, world: World
) -> None:
    (tmp_path / "elsewhere").mkdir()
    blind = ("--set", "score.scorer=hash")  # no model to load: the slow tests below do it with CLIP
    here = run_cold(world, tmp_path / "here", *blind)
    assert run_cold(world, tmp_path / "there", *blind, umask=0o077, cwd=tmp_path / "elsewhere", **OTHER) == here


@pytest.mark.slow
@pytest.mark.parametrize("environment", [
    OTHER, {"PYTHONHASHSEED": "0"}, {"PYTHONHASHSEED": "random"}, {"LC_ALL": "tr_TR.UTF-8"}, {"LC_ALL": "POSIX"},
    {"TZ": "Asia/Kathmandu"}, {"TZ": "America/St_Johns"}, {"PYTHONOPTIMIZE": "2"}, {"PYTHONDONTWRITEBYTECODE": "1"},
])
def test_r2_each_of_them_alone_gives_the_same_bytes(
    tmp_path: Path, world: World, calm: Path, environment: dict[str, str]
) -> None:
    assert run_cold(world, tmp_path / "c", **environment) == contents(calm)


@pytest.mark.parametrize("seed", [1, 2])
def test_r3_rows_in_another_order_and_videos_elsewhere_give_the_same_bytes(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path, seed: int
) -> None:
    moved = World(tmp_path / "moved")
    shutil.copytree(world.videos, moved.videos)
    lines = world.data.read_text().splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    moved.data.write_text("".join(lines))
    warm.finish(moved.command("variants", tmp_path / "c"))
    assert contents(tmp_path / "c") == contents(calm)


def test_r3_half_of_the_rows_give_those_bytes_of_the_whole(
    tmp_path: Path, world: World, warm: WarmProcess, calm: Path
) -> None:
    half = World(tmp_path / "half")
    shutil.copytree(world.videos, half.videos)
    half.data.write_text("".join(world.data.read_text().splitlines(keepends=True)[::2]))
    warm.finish(half.command("variants", tmp_path / "c"))
    found, whole = contents(tmp_path / "c"), contents(calm)
    assert found and found.items() <= whole.items()


@pytest.mark.slow
def test_r4_an_installed_wheel_makes_the_keys_and_bytes_of_the_checkout(
    tmp_path: Path, world: World, calm: Path
) -> None:
    build = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w",
                            str(tmp_path), str(ROOT)], capture_output=True, text=True, timeout=300)
    assert build.returncode == 0, build.stderr
    place = tmp_path / "installed"
    wheel = next(tmp_path.glob("strive-*.whl"))
    shutil.unpack_archive(wheel, place, "zip")
    where = subprocess.run([sys.executable, "-c", "import strive.cli; print(strive.cli.__file__)"], text=True,
                           capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(place)})
    assert str(place) in where.stdout, "the installed files are the ones that run"
    assert run_cold(world, tmp_path / "c", cwd=tmp_path, PYTHONPATH=str(place)) == contents(calm)


def test_r5_a_bundle_of_this_format_still_opens_with_the_same_content() -> None:
    told = json.loads((GOLDEN / "bundle.json").read_text())
    bundle = Bundle.open(GOLDEN / "bundle.h5")
    assert facts(bundle) == told["facts"] and told["format"] == FORMAT
    pixels = [clip for k in range(bundle.n_variants) for clip in bundle.variant(k).clips()]
    assert [[list(clip.shape), round(float(clip.mean()), 1)] for clip in pixels] == told["clips"]


def test_r5_a_newer_format_is_named_and_a_foreign_one_refused(tmp_path: Path) -> None:
    for number, words in ((NUMBER + 1, "newer strive"), ("x", "format"), (0, "format")):
        path = tmp_path / "b.h5"
        path.write_bytes(hdf5.build(lambda file, n=number: hdf5.set_text(file, "format", f"strive.bundle/{n}")))
        with pytest.raises(VerificationError, match=words):
            Bundle.open(path)


def facts(bundle: Bundle) -> dict[str, object]:
    """Everything in a bundle but its pixels, as JSON; floats to nine digits."""
    return {
        "sample": bundle.sample.to_json(), "key": bundle.key, "scorer": dict(bundle.scorer),
        "text": dict(bundle.text_policy), "importance": rounded(bundle.importance), "raw": rounded(bundle.raw),
        "times": rounded(bundle.score_times),
        "variants": [{
            "times": rounded(one.times), "index": one.index.tolist(), "clips": one.clip_bounds.tolist(),
            "operators": one.operators, "vetoes": one.vetoes, "sampler": one.sampler, "seed": one.seed,
            "crop": list(one.crop) if one.crop else None, "contrast": one.contrast,
            "images": [digest_bytes(one.pool._content[0][slot])[:20] for slot in one.index.tolist()],
        } for one in map(bundle.variant, range(bundle.n_variants))],
    }


def rounded(values: object) -> list[float]:
    """Floats as JSON keeps them apart."""
    return [round(float(value), 9) for value in values]  # type: ignore[attr-defined]

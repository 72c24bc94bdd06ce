"""`strive inspect` finds a bundle by file or by sample id, draws it, and says what each variant shows."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from strive.cache.store import Store
from strive.configs.data_stages import VariantsConfig
from strive.stages.bundle.images import encode
from strive.stages.bundle.writer import write_bundle
from strive.stages.frames.frameset import FrameSet
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Sample
from strive.stages.views.build import build_views

MAIN = "from strive.cli.main import main; main()"
KEY = "ab" * 32


def strive(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, "inspect", *arguments], capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )


def answer(*arguments: str) -> dict[str, Any]:
    return json.loads(strive(*arguments, "--json").stdout)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle file of one sample with id `how-many`."""
    sample = Sample("how-many", "a.mp4", "How many balls?", None, "3", "numerical")
    times = np.arange(12.0)
    images = [encode(np.full((48, 64, 3), 20 * i, np.uint8)) for i in range(12)]
    frames = FrameSet(times, np.arange(12), np.tile(np.int32([48, 64]), (12, 1)), images, {})
    raw = np.random.default_rng(0).normal(size=12).astype(np.float32)
    scores = Scores(raw, zscore(raw), times, np.array([[0, 0, 0.6, 0.6]]), np.ones((12, 1), np.float32), {})
    config = VariantsConfig(frames=4)
    path = tmp_path / "bundle.h5"
    views = build_views(sample.blind(), scores, frames.sizes, config)
    path.write_bytes(write_bundle(sample, frames, scores, views, config, KEY))
    return path


def test_a_bundle_file_becomes_a_picture_and_a_table(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    done = strive(str(bundle), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert Image.open(io.BytesIO(out.read_bytes())).size[0] == 1640
    lines = done.stdout.splitlines()
    assert lines[0] == "How many balls?" and lines[1].split()[:3] == ["VARIANT", "FRAMES", "TIMES"]
    assert any(line.startswith("variant 3: vetoed salient_crop:") for line in lines)


def test_json_names_times_samplers_and_vetoes_with_reasons(bundle: Path, tmp_path: Path) -> None:
    found = answer(str(bundle), "--out", str(tmp_path / "sheet.png"))
    assert found["status"] == "ok" and found["outputs"] == {"sheet": str(tmp_path / "sheet.png")}
    assert [one["sampler"] for one in found["variants"]] == ["uniform", "strat_gumbel", "strat_gumbel", "strat_gumbel"]
    assert found["variants"][0]["times"] == [1.0, 4.0, 7.0, 10.0]
    veto = found["variants"][3]["vetoes"][0]
    assert veto["operator"] == "salient_crop" and veto["reason"]


def test_a_sample_is_found_by_id_as_the_last_run_left_it(bundle: Path, tmp_path: Path, own_cache: Path) -> None:
    store = Store(own_cache)
    made = store.publish("variants", KEY, {"bundle.h5": bundle.read_bytes()}, {})
    store.remember("last-run/variants", {"keys": {"how-many": made.key}})
    assert answer("how-many", "--out", str(tmp_path / "a.png"))["sample"]["id"] == "how-many"
    unknown = strive("how-mony", "--out", str(tmp_path / "b.png"))
    assert unknown.returncode == 2 and "how-many" in unknown.stderr
    store.drop("variants", KEY)
    gone = strive("how-many", "--out", str(tmp_path / "c.png"))
    assert gone.returncode == 5 and "strive variants" in gone.stderr
    assert not (tmp_path / "b.png").exists() and not (tmp_path / "c.png").exists()


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"not hdf5")
    done = strive(str(tmp_path / "x.h5"), "--out", str(tmp_path / "a.png"))
    assert done.returncode == 6 and not (tmp_path / "a.png").exists()


def test_dry_run_writes_nothing(bundle: Path, tmp_path: Path) -> None:
    assert strive(str(bundle), "--out", str(tmp_path / "a.png"), "--dry-run").returncode == 0
    assert not (tmp_path / "a.png").exists()

"""`strive inspect` finds a bundle by file or by sample id, draws it, and says what each variant shows."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typed import typed

from strive.cache.store import Store
from strive.configs.data_stages import VariantsConfig
from strive.stages.bundle.images import encode
from strive.stages.bundle.writer import write_bundle
from strive.stages.frames.frameset import FrameSet
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Sample
from strive.stages.views.build import build_views

KEY = "ab" * 32


def strive(*arguments: str) -> subprocess.CompletedProcess[str]:
    return typed("inspect", *arguments)


def answer(*arguments: str) -> dict[str, Any]:
    return json.loads(strive(*arguments, "--json").stdout)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle file of one sample with id `how-many`, in the default variants."""
    return write_one(tmp_path / "bundle.h5", VariantsConfig(frames=4))


def write_one(path: Path, config: VariantsConfig) -> Path:
    """A bundle file of one sample with id `how-many`."""
    sample = Sample("how-many", "a.mp4", "How many balls?", None, "3", "numerical")
    times = np.arange(12.0)
    images = [encode(np.full((48, 64, 3), 20 * i, np.uint8)) for i in range(12)]
    frames = FrameSet(times, np.arange(12), np.tile(np.int32([48, 64]), (12, 1)), images, {})
    raw = np.random.default_rng(0).normal(size=12).astype(np.float32)
    scores = Scores(raw, zscore(raw), times, np.array([[0, 0, 0.6, 0.6]]), np.ones((12, 1), np.float32), {})
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


def test_contrast_views_and_several_clips_are_marked(tmp_path: Path) -> None:
    config = VariantsConfig(frames=4, count=3, operators=("canonical", "reverse", "crop_append"),
                            guard=False, contrast=("shuffle",))
    bundle = write_one(tmp_path / "bundle.h5", config)
    rows = answer(str(bundle), "--out", str(tmp_path / "a.png"))["variants"]
    assert [row["contrast"] for row in rows] == [False, False, False, True]
    assert [sum(clip["frames"] for clip in row["clips"]) for row in rows] == [len(row["times"]) for row in rows]
    assert [clip["frames"] for clip in rows[2]["clips"]] == [4, 2]
    assert rows[2]["clips"][0]["width"] == 64 > rows[2]["clips"][1]["width"]
    lines = strive(str(bundle), "--out", str(tmp_path / "b.png")).stdout.splitlines()
    head, *table = lines[1:6]
    assert [line[head.index("USE"):].split()[0] for line in table] == ["train", "train", "train", "contrast"]
    assert " | " in table[2] and table[2].split()[1] == "4+2" and "canonical, shuffle" in table[3]


def test_a_veto_of_the_guard_names_its_topic_and_an_operator_without_work_is_left_out(tmp_path: Path) -> None:
    config = VariantsConfig(frames=4, count=2, operators=("draw+salient_crop", "tiers"))
    bundle = write_one(tmp_path / "bundle.h5", config)
    rows = answer(str(bundle), "--out", str(tmp_path / "a.png"))["variants"]
    (crop,) = rows[0]["vetoes"]
    assert crop["topic"] == "counting" and "how many" in crop["reason"]
    assert [one["operator"] for one in rows[1]["operators"]] == ["phase"]
    out = strive(str(bundle), "--out", str(tmp_path / "b.png")).stdout
    assert "variant 0: vetoed salient_crop: could change the answer" in out
    unguarded = write_one(tmp_path / "other.h5", config.model_copy(update={"guard": False, "crop_area": 1.0}))
    out = strive(str(unguarded), "--out", str(tmp_path / "c.png")).stdout
    assert "variant 0: left out salient_crop: the box is the whole frame" in out


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


def test_a_picture_is_not_written_under_the_name_of_another_format(bundle: Path, tmp_path: Path) -> None:
    done = strive(str(bundle), "--out", str(tmp_path / "sheet.gif"))
    assert done.returncode == 2 and "sheet.png" in done.stderr
    assert not (tmp_path / "sheet.gif").exists()


def test_dry_run_writes_nothing(bundle: Path, tmp_path: Path) -> None:
    assert strive(str(bundle), "--out", str(tmp_path / "a.png"), "--dry-run").returncode == 0
    assert not (tmp_path / "a.png").exists()

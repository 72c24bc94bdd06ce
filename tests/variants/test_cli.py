"""`strive score` and `strive variants` as they are typed, on real files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typed import typed
from videos import make_video

from strive.stages.bundle import Bundle

SMALL = ("score.scorer=hash", "score.tiles=2", "variants.frames=4", "extract.min_frames=8", "extract.max_frames=12")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with two videos and a dataset of three questions."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "b c.mp4"):
        make_video(folder / name, frames=20, fps=5)
    rows = [("q1", "a.mp4", "What colour is the corner?"), ("q2", "a.mp4", "How many blocks are white?"),
            ("q3", "b c.mp4", "What is shown?")]
    write_rows(tmp_path / "data.jsonl", rows)
    return tmp_path


def write_rows(path: Path, rows: list[tuple[str, str, str]]) -> None:
    fixed = {"options": None, "answer": "red", "question_type": "open", "meta": {}}
    lines = [json.dumps({"id": i, "video": video, "question": text, **fixed}) for i, video, text in rows]
    path.write_text("\n".join(lines), "utf-8")


def strive(command: str, world: Path, *more: str, sets: tuple[str, ...] = SMALL) -> subprocess.CompletedProcess[str]:
    arguments = [command, "--data", str(world / "data.jsonl"), "--videos", str(world / "videos"), *more]
    for one in sets:
        arguments += ["--set", one]
    return typed(*arguments)


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return json.loads(done.stdout)


def test_variants_makes_what_it_needs_then_has_nothing_to_do(world: Path) -> None:
    planned = strive("variants", world, "--dry-run", "--json")
    assert planned.returncode == 0 and answer(planned)["done"] == 0
    first = answer(strive("variants", world, "--json"))
    assert (first["status"], first["done"], first["failed"]) == ("ok", 3, [])
    folder = Path(first["outputs"]["folder"])
    found = [Bundle.open(path) for path in folder.glob("*/*/bundle.h5")]
    assert folder.is_absolute() and {bundle.sample.id for bundle in found} == {"q1", "q2", "q3"}
    assert all(bundle.variant(k).clips()[0].shape == (4, 48, 64, 3) for bundle in found for k in range(3))
    again = strive("variants", world)
    assert again.returncode == 0 and "nothing to do" in again.stdout


def test_score_alone_is_reused_by_variants(world: Path) -> None:
    assert answer(strive("score", world, "--json"))["done"] == 3
    plan = answer(strive("variants", world, "--dry-run", "--json"))["plan"]
    assert plan["score"]["cached"] == plan["score"]["total"] == 3 and plan["variants"]["todo"] == 3


def test_a_broken_video_fails_its_questions_by_id_and_the_others_are_done(world: Path) -> None:
    (world / "videos" / "a.mp4").write_bytes(b"<html>not a video</html>")
    done = strive("variants", world, "--json")
    result = answer(done)
    assert done.returncode == 3 and result["status"] == "partial" and result["done"] == 1
    assert [one["id"] for one in result["failed"]] == ["q1", "q2"] and all(one["reason"] for one in result["failed"])


def test_a_video_that_leaves_the_folder_is_refused(world: Path) -> None:
    write_rows(world / "data.jsonl", [("q1", "../outside.mp4", "What?")])
    assert strive("variants", world).returncode == 2


@pytest.mark.parametrize("change", [
    "variants.sampler=best", "variants.operators=[canonical, zoom]", "score.scorer=clop",
])
def test_wrong_names_stop_before_a_video_is_opened(world: Path, change: str) -> None:
    done = strive("variants", world, "--json", sets=(*SMALL, change))
    assert done.returncode == 2 and change.split("=")[0] in answer(done)["error"]["what"]
    assert not list((world / "strive-cache").glob("extract/*/*"))


def test_weights_that_cannot_be_had_are_exit_5_and_nothing_is_scored(world: Path) -> None:
    done = strive("score", world, "--json", sets=(*SMALL[1:],))
    assert done.returncode == 5 and "ViT-B-32" in answer(done)["error"]["what"]
    assert not list((world / "strive-cache").glob("score/*/*"))


@pytest.mark.parametrize("command", ["score", "variants"])
def test_help_shows_an_example(world: Path, command: str) -> None:
    help_of = [sys.executable, "-m", "strive.cli", command, "--help"]
    done = subprocess.run(help_of, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and f"strive {command} --data" in " ".join(done.stdout.split())

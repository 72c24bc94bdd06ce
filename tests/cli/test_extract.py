"""`strive extract` in a real process: exit codes, the JSON object, and the same command again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from videos import cut_after, make_audio_only, make_front_index, make_video

MAIN = "from strive.cli.main import main; main()"


def strive(*arguments: str | Path, cwd: Path, **environment: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "extract", *map(str, arguments), "--json"], capture_output=True, text=True,
        timeout=60, cwd=cwd, env={**os.environ, **environment},
    )
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    make_front_index(folder / "good.mp4")
    make_video(folder / "old.avi", codec="mjpeg", pix_fmt="yuvj420p")
    cut_after(folder / "good.mp4", folder / "half.mp4", 11)
    make_audio_only(folder / "sound.mp4")
    (folder / "empty.mp4").touch()
    os.mkfifo(folder / "pipe.mp4")
    return folder


def test_a_folder_with_broken_videos_is_done_as_far_as_it_goes(videos: Path, tmp_path: Path) -> None:
    code, said, _ = strive("videos", cwd=tmp_path)
    assert code == 3 and said["status"] == "partial" and said["done"] == 2 and said["command"] == "extract"
    assert {row["id"]: row["reason"] for row in said["failed"]} == {
        "half.mp4": "90 frames announced, 11 decodable", "sound.mp4": "no video stream", "empty.mp4": "empty file",
        "pipe.mp4": "a FIFO, not a video file",
    }
    assert Path(said["outputs"]["folder"]).is_absolute()
    code, again, _ = strive("videos", cwd=tmp_path)
    assert code == 3 and (again["done"], again["cached"], len(again["failed"])) == (0, 2, 4)
    code, once_more, _ = strive(videos / "half.mp4", "--set", "extract.min_decodable=0.1", cwd=tmp_path)
    assert code == 0 and once_more["done"] == 1


def test_a_dataset_names_its_videos_by_their_relative_paths(videos: Path, tmp_path: Path) -> None:
    asked = {"question": "How many?", "options": None, "answer": "1", "question_type": "numerical"}
    names = ("good.mp4", "good.mp4", "empty.mp4")
    rows = [{"id": f"q{i}", "video": name, **asked} for i, name in enumerate(names)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, said, _ = strive("--data", tmp_path / "d.jsonl", "--videos", videos, cwd=tmp_path)
    assert code == 3 and said["done"] == 1 and said["failed"] == [{"id": "empty.mp4", "reason": "empty file"}]


def test_a_dry_run_makes_nothing(videos: Path, tmp_path: Path, own_cache: Path) -> None:
    code, said, _ = strive("videos/good.mp4", "--dry-run", cwd=tmp_path)
    assert code == 0 and said["plan"]["extract"]["todo"] == 1 and not (own_cache / "extract").exists()


@pytest.mark.parametrize(("arguments", "code"), [
    ((), 2), (("nothing.mp4",), 5), (("videos", "--data", "d.jsonl"), 2), (("videos", "--set", "extract.fsp=2"), 2),
])
def test_wrong_calls_say_what_was_expected(videos: Path, tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    returned, said, _ = strive(*arguments, cwd=tmp_path)
    assert returned == code and said["status"] == "failed" and all(said["error"].values())


def test_opencv_without_its_libraries_is_exit_5_with_the_command(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow" / "cv2").mkdir(parents=True)
    (tmp_path / "shadow" / "cv2" / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open')\n")
    code, said, _ = strive("videos/good.mp4", cwd=tmp_path, PYTHONPATH=str(tmp_path / "shadow"))
    assert code == 5 and "apt-get install -y libgl1 libglib2.0-0" in said["error"]["do"]

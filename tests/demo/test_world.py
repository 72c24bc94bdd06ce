"""The demo world on disk: real videos, rows of the dataset format, pixels that differ where the evidence is."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from strive.configs.errors import UsageError
from strive.stages.demo.scene import SIDE, draw_frame, scenery
from strive.stages.demo.script import VIDEO_FPS, Script, write_script
from strive.stages.demo.world import WorldFiles, video_name, write_world
from strive.stages.tasks.dataset import read_dataset

SEED = 11


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    return write_world(tmp_path_factory.mktemp("world"), SEED, train_videos=4, eval_videos=3)


def frames_of(path: Path) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == VIDEO_FPS
    pictures = []
    while (read := capture.read())[0]:
        pictures.append(read[1][..., ::-1])
    capture.release()
    return np.stack(pictures)


def test_the_rows_are_a_dataset_of_the_published_format_on_different_videos(world: WorldFiles) -> None:
    train, evaluation = read_dataset(world.train), read_dataset(world.evaluation)
    assert (len(train), len(evaluation)) == (12, 9)
    assert not {sample.video for sample in train} & {sample.video for sample in evaluation}
    assert all((world.videos / sample.video).is_file() for sample in [*train, *evaluation])
    assert len({sample.id for sample in [*train, *evaluation]}) == 21


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(world: WorldFiles, tmp_path: Path) -> None:
    again = write_world(tmp_path / "again", SEED, train_videos=1, eval_videos=0)
    other = write_world(tmp_path / "other", SEED + 1, train_videos=1, eval_videos=0)
    name = video_name(write_script(SEED, "train", 0))
    assert digest(again.videos / name) == digest(world.videos / name) != digest(other.videos / name)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_interrupted_world_is_completed_and_its_finished_videos_are_kept(tmp_path: Path) -> None:
    first = write_world(tmp_path, SEED, train_videos=1, eval_videos=0)
    kept = first.videos / video_name(write_script(SEED, "train", 0))
    stamp = kept.stat().st_mtime_ns
    both = write_world(tmp_path, SEED, train_videos=2, eval_videos=0)
    assert kept.stat().st_mtime_ns == stamp
    assert len(read_dataset(both.train)) == 6
    assert len(frames_of(both.videos / "train_00001.mp4")) == 128


def test_a_folder_that_holds_another_world_is_refused(tmp_path: Path) -> None:
    write_world(tmp_path, SEED, train_videos=1, eval_videos=0)
    with pytest.raises(UsageError, match="holds the demo world"):
        write_world(tmp_path, SEED + 1, train_videos=1, eval_videos=0)


def test_a_video_has_the_announced_length_and_size(world: WorldFiles) -> None:
    assert frames_of(world.videos / "eval_00000.mp4").shape == (128, SIDE, SIDE, 3)


def without_showings(script: Script) -> Script:
    return Script(script.split, script.index, script.scenery_seed, ())


def test_the_evidence_is_in_the_decoded_pixels_in_its_span_and_nowhere_else(world: WorldFiles) -> None:
    script = write_script(SEED, "eval", 1)
    frames = frames_of(world.videos / video_name(script)).astype(int)
    empty, background = without_showings(script), scenery(script)
    spans = [(one.start_s, one.end_s) for one in script.showings]
    for number, frame in enumerate(frames):
        time = number / VIDEO_FPS
        difference = np.abs(frame - draw_frame(empty, background, time)).max(-1)
        shown = any(start <= time <= end for start, end in spans)
        changed = int((difference > 60).sum())
        assert changed > 100 if shown else changed < 10, f"{time} s: {changed} pixels differ"


def test_some_evidence_is_small_in_the_picture() -> None:
    areas = []
    for index in range(40):
        script = write_script(SEED, "train", index)
        for showing in script.showings:
            if showing.kind == "detail":
                image = draw_frame(script, scenery(script), showing.start_s).astype(int)
                saturation = image.max(-1) - image.min(-1)
                areas.append(int((saturation > 80).sum()))
    assert 20 < np.median(areas) < 0.01 * SIDE * SIDE

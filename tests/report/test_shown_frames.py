"""An answer is shown with the very frames that it was given on, or the page says why not."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from strive.cache.runs import record_run
from strive.cache.store import Artefact, Store
from strive.stages.bundle.images import encode
from strive.stages.frames.frameset import FrameSet, write_frames
from strive.stages.report.evaluation import shown_frames
from strive.stages.report.evaluation.answers import read_answers
from strive.stages.report.evaluation.shown_frames import Pictures, RunFrames
from strive.stages.report.run_folder import read_run

from .conftest import colour_of
from .eval_runs import prediction, write_eval

COUNT = 12


def keep(store: Store, key: str, shift: int = 0, step_s: float = 1.0) -> Artefact:
    """Frames of one colour each, `step_s` apart from 0 s on."""
    images = [encode(np.full((48, 64, 3), colour_of(i + shift), np.uint8)) for i in range(COUNT)]
    sizes = np.tile(np.int32([48, 64]), (COUNT, 1))
    frames = FrameSet(step_s * np.arange(COUNT, dtype=np.float64), np.arange(COUNT), sizes, images, {"codec": "jpeg"})
    return store.publish("extract", key, write_frames(frames), {"version": 1, "config": {}})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def run(tmp_path: Path, store: Store) -> Path:
    """Questions about v0 and v1, of which the run recorded the frames."""
    rows = [prediction(0, 0.0, times=[0.0, 3.0, 11.0]), prediction(1, 1.0, times=[11.0, 0.0]), prediction(2, 0.0)]
    folder, made = write_eval(tmp_path / "run", rows), [keep(store, "a" * 64), keep(store, "b" * 64, shift=20)]
    record_run(store, folder, made)
    keys = {f"v{n}.mp4": one.key for n, one in enumerate(made)}
    store.remember("last-run/extract", {"keys": keys})
    return folder


def answers(run: Path, store: Store | None) -> tuple[dict[str, Any], list[tuple[int, int, int]]]:
    """Each question's answer, and the mean colour of every picture of the page."""
    found = read_answers([read_run(run)], RunFrames(store) if store else None)
    assert found is not None
    data = json.loads(found.data)
    return {row["id"]: row["answers"]["0"] for row in data["rows"]}, [colour(one) for one in data["pictures"]]


def colour(uri: str) -> tuple[int, int, int]:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    red, green, blue = np.asarray(picture.convert("RGB")).reshape(-1, 3).mean(0).round().astype(int).tolist()
    return red, green, blue


def close(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 6


def test_the_frames_are_those_at_the_answers_times_in_the_order_shown(run: Path, store: Store) -> None:
    found, pictures = answers(run, store)
    for name, numbers in (("q0", (0, 3, 11)), ("q1", (11, 0)), ("q2", (20, 21, 22, 23))):
        shown = [pictures[place] for place, _ in found[name]["frames"]]
        assert len(shown) == found[name]["shown"] == len(numbers)
        assert all(close(a, colour_of(b)) for a, b in zip(shown, numbers, strict=True)), name
    assert [time for _, time in found["q1"]["frames"]] == ["0:11.0", "0:00.0"]


def test_questions_about_one_video_share_its_pictures(run: Path, store: Store) -> None:
    assert len(answers(run, store)[1]) == 3 + 4


def test_another_extraction_of_a_video_of_that_name_is_never_shown(run: Path, store: Store) -> None:
    other = keep(store, "c" * 64, shift=40)
    store.remember("last-run/extract", {"keys": {"v0.mp4": other.key}})
    found, pictures = answers(run, store)
    assert pictures == [] and "not found in this cache" in found["q0"]["why"]


def test_what_the_run_named_counts_more_than_the_last_extraction(run: Path, store: Store) -> None:
    made = [one for one in store.entries("extract")]
    store.remember(f"runs/{run.absolute()}", {"folder": str(run.absolute()), "keys": [one.key for one in made],
                                              "frames": {"v0.mp4": "a" * 64, "v1.mp4": "b" * 64}})
    store.remember("last-run/extract", {"keys": {}})
    assert len(answers(run, store)[1]) == 7


def test_frames_that_are_gone_of_other_times_or_damaged_are_said_to_be(run: Path, store: Store) -> None:
    store.drop("extract", "a" * 64)
    assert "not found in this cache" in answers(run, store)[0]["q0"]["why"]
    keep(store, "a" * 64, step_s=0.7)
    assert "taken at other times" in answers(run, store)[0]["q0"]["why"]
    damaged = next(store.root.glob(f"extract/bb/{'b' * 64}/frames.h5"))
    damaged.write_bytes(b"\0" * damaged.stat().st_size)
    assert "does not have the bytes" in answers(run, store)[0]["q2"]["why"]
    assert "not found in this cache" in answers(run, None)[0]["q0"]["why"]


def test_controls_that_show_no_video_say_so(run: Path, store: Store) -> None:
    pictures = Pictures(RunFrames(store))
    assert "grey" in pictures.of(run, prediction(0, control="blank"))["why"]
    for row in (prediction(0, shown_video=None, times=[]), prediction(0, times="x"), prediction(0, times=[])):
        assert pictures.of(run, row) == {"why": "no video was shown"}


def test_many_frames_are_thinned_evenly_and_the_number_said(run: Path, store: Store,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_frames, "MOST_FRAMES", 4)
    found = Pictures(RunFrames(store)).of(run, prediction(0, times=[float(n) for n in range(COUNT)]))
    assert [time for _, time in found["frames"]] == ["0:00.0", "0:04.0", "0:07.0", "0:11.0"] and found["shown"] == COUNT


def test_pictures_stop_at_their_bound_and_those_there_are_shared(run: Path, store: Store) -> None:
    rows = {row["id"]: row for row in read_run(run).predictions}
    first = Pictures(RunFrames(store))
    first.of(run, rows["q0"])
    bounded = Pictures(RunFrames(store), limit=first.size)
    found = {name: bounded.of(run, rows[name]) for name in ("q0", "q2", "q1")}
    assert "frames" in found["q0"] and "as many as it may hold" in found["q2"]["why"]
    assert "frames" in found["q1"], "its frames are in the page already"
    assert len(bounded.kept) == 3

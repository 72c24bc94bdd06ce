"""The stage: one entry per content, the same bytes on every run, failures listed with their reasons."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from videos import make_front_index, make_video, number_of

from strive.cache.store import Artefact
from strive.stages.frames.frameset import FILE, read_frames


def digests(found: Any) -> dict[str, str]:
    return {name: one.digest for name, one in found.results.items() if isinstance(one, Artefact)}


def test_a_video_becomes_readable_frames_with_their_facts(tmp_path: Path, extract: Callable[..., Any]) -> None:
    found = extract(make_video(tmp_path / "a.mp4", 90, 30))
    frames = read_frames(found.results["a.mp4"])
    assert len(frames) == 64 and frames.times[0] == 0 and frames.times[-1] == pytest.approx(89 / 30)
    assert [number_of(frames.image(i)) for i in (0, 20, 63)] == frames.source_index[[0, 20, 63]].tolist()
    assert frames.meta["decoder"] == "pyav" and set(frames.meta["series"]) == {"av", "opencv-python"}
    assert {"rotation", "times", "announced_frames", "decoded_frames", "duration_s", "codec"} <= frames.meta.keys()
    assert found.results["a.mp4"].meta["frames"] == 64


def test_every_broken_input_is_listed_and_the_good_one_is_done(tmp_path: Path, extract: Callable[..., Any]) -> None:
    good = make_front_index(tmp_path / "good.mp4", 20)
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "page.mp4").write_text("<html><body>404 Not Found</body></html>")
    (tmp_path / "cut.mp4").write_bytes(make_video(tmp_path / "whole.mp4").read_bytes()[:700])
    names = ("pipe.mp4", "empty.mp4", "folder.mp4", "page.mp4", "cut.mp4", "gone.mp4")
    found = extract(good, *(tmp_path / name for name in names))
    assert found.outcome.done == 1 and found.reasons == {
        "pipe.mp4": "a FIFO, not a video file", "empty.mp4": "empty file", "folder.mp4": "a folder, not a video file",
        "page.mp4": "not a video (an HTML or XML page)", "cut.mp4": "index missing (file cut short?)",
        "gone.mp4": "no such file",
    }


def test_the_same_bytes_under_two_names_are_made_once(tmp_path: Path, extract: Callable[..., Any]) -> None:
    one = make_video(tmp_path / "a.b.mp4", 5)
    shutil.copyfile(one, tmp_path / "copy.mp4")
    other = make_video(tmp_path / "a.c.mp4", 6)
    found = extract(one, tmp_path / "copy.mp4", other)
    assert found.outcome.done == 2 and found.results["a.b.mp4"].key == found.results["copy.mp4"].key
    assert found.results["a.c.mp4"].key != found.results["a.b.mp4"].key
    assert len(list(found.job.store.entries("extract"))) == 2


def test_made_again_the_same_bytes_under_two_names_are_both_counted(
    tmp_path: Path, extract: Callable[..., Any]
) -> None:
    one = make_video(tmp_path / "a.mp4", 5)
    shutil.copyfile(one, tmp_path / "copy.mp4")
    extract(one)
    found = extract(one, tmp_path / "copy.mp4", force=True)
    assert (found.outcome.done, found.outcome.cached) == (1, 1)


def test_new_bytes_at_the_same_path_are_a_new_entry(tmp_path: Path, extract: Callable[..., Any]) -> None:
    path = make_video(tmp_path / "a.mp4", 5)
    first = extract(path).results["a.mp4"].key
    make_video(path, 6)
    second = extract(path)
    assert second.outcome.done == 1 and second.results["a.mp4"].key != first


def test_a_second_run_does_nothing_and_frames_outlive_their_video(tmp_path: Path, extract: Callable[..., Any]) -> None:
    path = make_video(tmp_path / "a.mp4", 5)
    extract(path)
    assert (extract(path).outcome.done, extract(path).outcome.cached) == (0, 1)
    path.unlink()
    assert extract(path).outcome.cached == 1
    assert extract(path, fps=2.0).reasons == {"a.mp4": "no such file"}


def test_frames_are_byte_identical_whatever_the_workers_and_the_order(
    tmp_path: Path, extract: Callable[..., Any]
) -> None:
    paths = [make_video(tmp_path / f"{i}.mp4", 20 + i, bframes=i % 3) for i in range(4)]
    first = extract(*paths)
    stored = {name: one.read(FILE) for name, one in first.results.items()}
    shutil.rmtree(tmp_path / "cache")
    second = extract(*reversed(paths), workers=2)
    assert {name: one.read(FILE) for name, one in second.results.items()} == stored
    assert digests(first) == digests(second)


def test_only_settings_that_change_the_frames_change_the_key(tmp_path: Path, extract: Callable[..., Any]) -> None:
    path = make_video(tmp_path / "a.mp4", 5)
    key = extract(path).results["a.mp4"].key
    assert extract(path, deadline_s=77.0, memory_mib=2048).results["a.mp4"].key == key
    assert extract(path, decoder="pyav").results["a.mp4"].key == key
    for change in ({"fps": 2.0}, {"codec": "png"}, {"decoder": "opencv"}, {"short_side": 32}, {"min_decodable": 0.5}):
        assert extract(path, **change).results["a.mp4"].key != key


def test_a_file_that_changes_while_it_is_read_fails(
    tmp_path: Path, extract: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from strive.stages.extract import worker

    path, ask = make_video(tmp_path / "a.mp4", 5), worker.Child.ask

    def ask_and_change(self: Any, request: Any, deadline_s: float) -> Any:
        answer = ask(self, request, deadline_s)
        if request is not None:
            path.write_bytes(path.read_bytes() + b"\0")
        return answer

    monkeypatch.setattr(worker.Child, "ask", ask_and_change)
    assert extract(path).reasons == {"a.mp4": "the file changed while it was read; run the same command again"}


@pytest.mark.parametrize("name", [
    "with space.mp4", "two\nlines.mp4", "🎬 ünï.mp4", "-dash.mp4", "%03d.mp4", "a:b.mp4", "x" * 251 + ".mp4",
    "'quote\".mp4", "[bold].mp4",
])
@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
def test_strange_names_work(tmp_path: Path, taken: Callable[..., Any], name: str, decoder: str) -> None:
    source = make_video(tmp_path / "plain.mp4", 3)
    path = tmp_path / name
    source.rename(path)
    assert len(taken(path, decoder=decoder).images) == 3


def test_a_name_that_is_not_utf8_works(tmp_path: Path, extract: Callable[..., Any]) -> None:
    source = make_video(tmp_path / "plain.mp4", 3)
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4"))
    source.rename(path)
    found = extract(path)
    assert found.outcome.done == 1, found.reasons

"""Videos inside zip archives give the frames of the plain files, and each way to be broken has its own reason."""

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from videos import make_front_index, make_video

from strive.cache.store import Artefact, Store
from strive.configs.schema import Config
from strive.stages.archive import digest as digest_module
from strive.stages.extract.sources import find_videos
from strive.stages.frames.frameset import FILE
from strive.stages.plan import Job, VideoRef
from strive.stages.runner import run_chain


@pytest.fixture
def reasons(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Extract videos into the test's own cache; the reasons of those that failed."""

    def run(*refs: VideoRef, **settings: Any) -> dict[str, str]:
        job = Job(Config.model_validate({"extract": settings}), Store(tmp_path / "cache"), videos=list(refs))
        return {row["id"]: row["reason"] for row in run_chain("extract", job)["extract"].failed}

    return run


def frames(refs: list[VideoRef], cache: Path) -> dict[str, bytes]:
    """The stored frames by video."""
    job = Job(Config(), Store(cache), videos=refs)
    assert run_chain("extract", job)["extract"].failed == []
    return {name: one.read(FILE) for name, one in job.results["extract"].items() if isinstance(one, Artefact)}


def packed(archive: Path, files: dict[str, Path], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(archive, "w", method) as opened:
        for name, path in files.items():
            opened.write(path, name)
    return archive


def test_members_give_the_frames_of_their_files(tmp_path: Path) -> None:
    one, two = make_video(tmp_path / "1.mp4", 40, bframes=2), make_front_index(tmp_path / "2.mp4", 20)
    three = make_video(tmp_path / "3.mkv", 25)
    files = {"a/1.mp4": one, "a/2.mp4": two, "b/é [1].mkv": three}
    plain = frames(find_videos([one, two, three]), tmp_path / "plain")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refs = find_videos([packed(tmp_path / f"{method}.zip", files, method)])
        cache = tmp_path / f"cache-{method}"
        found = frames(refs, cache)
        assert [name.partition("::")[2] for name in found] == list(files)
        assert list(found.values()) == list(plain.values())
        assert sorted(path.name for path in cache.iterdir() if path.is_file()) == [], "nothing unpacked stays"


def test_an_archive_that_nobody_touched_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(tmp_path / "a.zip", {"v.mp4": make_video(tmp_path / "v.mp4", 5)})
    os.utime(archive, (1, 1))
    monkeypatch.setattr(digest_module, "RACY_S", -1e9)  # the change time cannot be set back
    store, read = Store(tmp_path / "cache"), []
    real = digest_module.blocks
    monkeypatch.setattr(digest_module, "blocks", lambda *args: read.append(args) or real(*args))
    first = digest_module.member_digest(store, archive, "v.mp4")
    assert first == store.video_digest(tmp_path / "v.mp4")
    assert digest_module.member_digest(store, archive, "v.mp4") == first and len(read) == 1
    os.utime(archive, (2, 2))
    assert digest_module.member_digest(store, archive, "v.mp4") == first and len(read) == 2
    archive.unlink()
    assert digest_module.member_digest(store, archive, "v.mp4") == first, "frames outlive their archive"


def test_each_way_to_be_broken_has_its_reason(tmp_path: Path, reasons: Callable[..., dict[str, str]]) -> None:
    video = make_video(tmp_path / "v.mp4", 30)
    good = packed(tmp_path / "good.zip", {"v.mp4": video, "x/w.mp4": video})
    data = good.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[:-200])
    (tmp_path / "text.zip").write_text("no archive")
    at = data.index(b"v.mp4") + 200
    (tmp_path / "bits.zip").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    locked = bytearray(data)
    locked[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    other = packed(tmp_path / "other.zip", {"v.mp4": video}, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("v.mp4", bytes(50 << 20))
        bomb.writestr("empty.mp4", b"")
        bomb.writestr("page.mp4", "<html>no</html>")
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "twice.zip", "w") as twice:
        twice.writestr("v.mp4", b"1")
        twice.writestr("v.mp4", b"2")
    dense = packed_bytes(tmp_path / "bomb.zip")
    names = {
        "good.zip::none.mp4": "no 'none.mp4' in good.zip",
        "good.zip::w.mp4": "no 'w.mp4' in good.zip; there is 'x/w.mp4'",
        "good.zip": "a zip archive, not a video; name a member: good.zip::path/in/zip",
        "gone.zip::v.mp4": "no such file",
        "cut.zip::v.mp4": "cut.zip is a broken zip archive (cut short?)",
        "text.zip::v.mp4": "text.zip is not a zip archive",
        "bits.zip::v.mp4": "damaged in its zip archive (the bytes are not those that were packed)",
        "locked.zip::v.mp4": "encrypted in its zip archive",
        "other.zip::v.mp4": "packed by method 14 in its zip archive; stored and deflated members are read",
        "bomb.zip::v.mp4": f"{dense} bytes in its zip archive unpack to 52428800: no video does",
        "bomb.zip::empty.mp4": "empty file",
        "bomb.zip::page.mp4": "not a video (an HTML or XML page)",
        "twice.zip::v.mp4": "twice.zip holds 'v.mp4' twice",
    }
    assert other.exists()
    refs = [VideoRef(name, tmp_path / name.partition("::")[0], member=name.partition("::")[2] or None)
            for name in names]
    assert reasons(*refs) == names
    assert reasons(VideoRef("v", good, member="v.mp4"), decoder="opencv") == {
        "v": "OpenCV reads no zip members; extract.decoder=pyav does"}


def packed_bytes(archive: Path) -> int:
    """Bytes of the first member as it lies there."""
    return struct.unpack("<I", archive.read_bytes()[18:22])[0]


def test_an_archive_that_changes_gives_new_frames(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {"v.mp4": make_video(tmp_path / "v.mp4", 5)})
    first = frames(find_videos([archive]), tmp_path / "cache")
    packed(archive, {"v.mp4": make_video(tmp_path / "w.mp4", 7)})
    assert frames(find_videos([archive]), tmp_path / "cache") != first

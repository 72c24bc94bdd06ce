"""Files, folders and patterns become one stable list of videos."""

import zipfile
from pathlib import Path

import pytest

from strive.configs.errors import MissingError, UsageError
from strive.stages.extract.sources import find_videos


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("v/b.mp4", "v/a.MKV", "v/sub/c.webm", "v/notes.txt", "v/.hidden.mp4", "w/b.mp4", "odd.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ids(*sources: str) -> list[str]:
    return [ref.id for ref in find_videos(sources)]


def test_a_folder_gives_its_videos_in_order(folder: Path) -> None:
    assert ids("v") == ["a.MKV", "b.mp4", "sub/c.webm"]
    assert [ref.path for ref in find_videos(["v"])] == [folder / "v" / name for name in ids("v")]


def test_a_file_is_taken_whatever_its_name_and_a_broken_link_too(folder: Path) -> None:
    (folder / "link.mp4").symlink_to("nowhere")
    assert ids("odd.bin", "link.mp4") == ["odd.bin", "link.mp4"]


def test_patterns_go_into_folders(folder: Path) -> None:
    assert ids("v/*.mp4") == ["v/b.mp4"] and ids("**/*.webm") == ["v/sub/c.webm"]


def test_a_name_with_brackets_is_a_file_first(folder: Path) -> None:
    (folder / "[a].mp4").write_bytes(b"x")
    assert ids("[a].mp4") == ["[a].mp4"]


def test_each_video_once_and_two_of_one_name_told_apart(folder: Path) -> None:
    assert ids("v/b.mp4", "v", "v/b.mp4") == ["v/b.mp4", "a.MKV", "sub/c.webm"]
    assert ids("v", "w") == ["a.MKV", "v/b.mp4", "sub/c.webm", "w/b.mp4"]
    assert ids("./w/", "v/b.mp4", "v") == ["b.mp4", "v/b.mp4", "a.MKV", "sub/c.webm"]


def test_an_id_that_is_anothers_path_as_typed_is_told_apart_too(folder: Path) -> None:
    (folder / "v" / "w").mkdir()
    (folder / "v" / "w" / "b.mp4").write_bytes(b"x")
    assert ids("v", "w") == ["a.MKV", "v/b.mp4", "sub/c.webm", "v/w/b.mp4", "w/b.mp4"]


def test_a_link_to_a_parent_folder_is_no_endless_walk(folder: Path) -> None:
    (folder / "v" / "loop").symlink_to(folder)
    assert ids("v") == ["a.MKV", "b.mp4", "sub/c.webm"]


def test_nothing_found_is_an_error_that_says_so(folder: Path) -> None:
    (folder / "none").mkdir()
    with pytest.raises(UsageError, match="no video in this folder"):
        find_videos(["none"])
    with pytest.raises(UsageError, match="nothing matches"):
        find_videos(["v/*.avi"])
    with pytest.raises(MissingError, match="typo.mp4: no such file or folder"):
        find_videos(["typo.mp4", "typo2.mp4"])


def test_a_missing_file_among_others_stays_in_the_list(folder: Path) -> None:
    assert ids("typo.mp4", "v/b.mp4") == ["typo.mp4", "v/b.mp4"]


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")


def test_an_archive_gives_its_videos_and_a_member_itself(folder: Path) -> None:
    zipped(folder / "v" / "a.zip", "in/b.mp4", "c.webm", "in/notes.txt", "__MACOSX/in/._b.mp4", ".d.mp4", "odd.bin")
    inside = ["v/a.zip::c.webm", "v/a.zip::in/b.mp4"]
    assert ids("v/a.zip") == inside and ids("v/*.zip") == inside
    assert [(ref.path, ref.member) for ref in find_videos(["v/a.zip::odd.bin", "v/a.zip::odd.bin"])] == [
        (folder / "v" / "a.zip", "odd.bin")]
    assert ids("v/a.zip::none.mp4", "v/b.mp4") == ["v/a.zip::none.mp4", "v/b.mp4"]
    assert ids("v") == ["a.MKV", "b.mp4", "sub/c.webm"], "archives in folders are not looked into"


def test_an_archive_without_videos_is_an_error_and_a_broken_one_fails_as_an_item(folder: Path) -> None:
    zipped(folder / "texts.zip", "a.txt")
    (folder / "cut.zip").write_bytes(b"PK\3\4")
    with pytest.raises(UsageError, match="texts.zip: no video in this archive"):
        find_videos(["texts.zip"])
    assert ids("cut.zip", "v/b.mp4") == ["cut.zip", "v/b.mp4"]


def test_a_file_whose_name_looks_like_a_member_is_that_file(folder: Path) -> None:
    zipped(folder / "a.zip", "b.mp4")
    (folder / "a.zip::b.mp4").write_bytes(b"x")
    assert [ref.member for ref in find_videos(["a.zip::b.mp4"])] == [None]


def test_urls_are_videos_whose_names_hold_no_secrets(folder: Path) -> None:
    plain, secret = "https://host/a%20b.mp4", "https://me:pw@host/a.mp4?sig=1"
    found = find_videos([plain, secret, secret, secret.replace("sig=1", "sig=2"), "v/b.mp4"])
    assert [ref.url for ref in found] == [plain, secret, secret[:-1] + "2", None]
    assert found[0].id == plain and found[1].id.startswith("https://host/a.mp4?sig=…#")
    assert len({ref.id for ref in found}) == 4 and "pw" not in repr(found)
    assert len(find_videos(["https://host/a.mp4?sig=" + "x" * 5000])) == 1, "longer than any file name"
    with pytest.raises(UsageError, match="'file' are not read"):
        find_videos(["file:///etc/passwd"])

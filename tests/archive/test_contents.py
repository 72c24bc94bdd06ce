"""A zip's table of contents is read within limits, and what leaves the archive is not in it."""

import struct
import time
import zipfile
from pathlib import Path

import pytest

from strive.configs.errors import ItemError
from strive.stages.archive.contents import MAX_MEMBERS, contents, entry_of


def end_record(members: int, table_bytes: int, at: int) -> bytes:
    return struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, members, members, table_bytes, at, 0)


def test_members_are_listed_with_their_place_and_sizes(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("in/a.mp4", b"12345")
        opened.mkdir("in/folder")
        opened.writestr("ü b.mp4", b"1")
    assert list(contents(archive)) == ["in/a.mp4", "ü b.mp4"]
    entry = entry_of(archive, "in/a.mp4")
    assert (entry.offset, entry.method, entry.packed_bytes, entry.size_bytes) == (0, 0, 5, 5) and not entry.encrypted


@pytest.mark.parametrize("name", ["../x.mp4", "/etc/x.mp4", "a/../../x.mp4", "a\\x.mp4", ".."])
def test_names_that_leave_the_archive_are_not_members(name: str, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, b"1")
        opened.writestr("good.mp4", b"1")
    assert list(contents(archive)) == ["good.mp4"]


@pytest.mark.parametrize("wide", [False, True])
def test_a_huge_table_is_refused_before_it_is_read(wide: bool, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    record = (struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, 10**6 * 60, 0)
              + struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1) + end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF))
    with archive.open("wb") as file:
        file.write(record if wide else b"PK\3\4" + bytes(100) + end_record(5, 100 << 20, 0))
    started = time.process_time()
    with pytest.raises(ItemError, match=f"more than the {MAX_MEMBERS} that are read"):
        contents(archive)
    assert time.process_time() - started < 1


def test_a_wide_archive_is_read(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened, opened.open("v.mp4", "w", force_zip64=True) as member:
        member.write(b"12345")
    assert entry_of(archive, "v.mp4").size_bytes == 5


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "is not a zip archive"), (b"PK\3\4" + bytes(90), "cut short"), (b"PK\5\6", "is not a zip archive"),
    (end_record(3, 400, 7), "broken zip"), (end_record(0xFFFF, 7, 7), "broken zip"),
    (bytes(80) + end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), "broken zip"),
])
def test_what_is_no_archive_says_so(data: bytes, reason: str, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    with pytest.raises(ItemError, match=reason):
        contents(archive)


def test_an_archive_is_read_again_when_it_changed(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    for name in ("one.mp4", "three.mp4"):
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr(name, name)
        assert list(contents(archive)) == [name]

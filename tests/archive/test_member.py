"""A member reads like a file: any place, any size, as often as wanted; lies of the archive are caught."""

import os
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from strive.configs.errors import ItemError
from strive.stages.archive.contents import entry_of
from strive.stages.archive.member import Member, blocks

DATA = random.Random(0).randbytes(300_000) + bytes(300_000) + random.Random(1).randbytes(300_000)


@pytest.fixture(params=[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", request.param) as opened:
        opened.writestr("first.bin", b"before")
        opened.writestr("v.mp4", DATA)
        opened.writestr("last.bin", b"after")
    return tmp_path / "a.zip"


def test_reads_and_seeks_give_the_bytes_of_the_file(archive: Path, tmp_path: Path) -> None:
    member = Member(archive, entry_of(archive, "v.mp4"), tmp_path)
    draw = random.Random(2)
    with member.open() as file, member.open() as other:
        assert file.seek(0, os.SEEK_END) == len(DATA) and file.read(9) == b""
        for _ in range(50):
            at, size = draw.randrange(len(DATA) + 10), draw.randrange(50_000)
            file.seek(at)
            assert file.read(size) == DATA[at : at + size]
        file.seek(-5, os.SEEK_END)
        assert file.read() == DATA[-5:] and other.read() == DATA
        with pytest.raises(ValueError):
            file.seek(-1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_all_blocks_are_the_member(archive: Path) -> None:
    assert b"".join(blocks(archive, entry_of(archive, "v.mp4"))) == DATA


@pytest.mark.parametrize("change", [{"crc": 1}, {"size_bytes": len(DATA) - 1}, {"size_bytes": len(DATA) + 1},
                                    {"offset": 3}, {"offset": 10**12}])
def test_a_table_that_lies_is_caught(change: dict[str, int], archive: Path) -> None:
    with pytest.raises(ItemError):
        list(blocks(archive, replace(entry_of(archive, "v.mp4"), **change)))


def test_a_member_that_would_end_behind_the_archive_is_broken(tmp_path: Path, archive: Path) -> None:
    entry = replace(entry_of(archive, "v.mp4"), packed_bytes=10**9, size_bytes=10**9)
    with pytest.raises(ItemError, match="broken"):
        list(blocks(archive, entry))


def test_damaged_deflate_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("v.mp4", DATA)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[60:90] = b"\xff" * 30
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ItemError, match="damaged in its zip archive"):
        list(blocks(tmp_path / "a.zip", entry_of(tmp_path / "a.zip", "v.mp4")))


def test_no_room_to_unpack_is_said(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strive.cache.disk.free_bytes", lambda path: 5)
    entry = replace(entry_of(archive, "v.mp4"), method=8)
    with pytest.raises(ItemError, match=f"no space left to unpack it: {len(DATA)} bytes needed, 5 bytes free"):
        Member(archive, entry, tmp_path).open()

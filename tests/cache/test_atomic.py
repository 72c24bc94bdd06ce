"""Names, formats and durability of what is written: the order of syncs, ledgers with torn tails, refused names."""

import json
import os
import stat
from pathlib import Path

import pytest

from strive.cache import atomic
from strive.configs.errors import VerificationError


def test_json_is_sorted_indented_and_ends_with_a_newline(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", {"b": "é", "a": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "a": [\n  1\n ],\n "b": "é"\n}\n'


def test_a_name_that_is_not_utf8_survives_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"clip\xff.mp4")
    atomic.write_json(tmp_path / "a.json", {"video": name})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"video": name}


def test_nan_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError):
        atomic.write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_new_files_follow_the_umask_and_artefact_files_are_read_only(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic.write_bytes(tmp_path / "a", b"")
        atomic.publish_folder(tmp_path / "f", {"x": b""}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "f" / "x").stat().st_mode) == 0o440


def test_a_published_folder_lists_names_sizes_and_digests(tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"abc")
    filled = atomic.publish_folder(tmp_path / "f", {"sub/b.bin": source, "a.txt": b"hello"}, {"step": 1})
    assert [out["path"] for out in filled["outputs"]] == ["a.txt", "sub/b.bin"]
    assert filled["outputs"][1] == {
        "path": "sub/b.bin", "bytes": 3,
        "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    assert json.loads((tmp_path / "f" / "manifest.json").read_text()) == filled


OUTSIDE = ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "a\0b", "a\\b", "C:/x", ".tmp-1-2-3-x"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        atomic.publish_folder(tmp_path / "in" / "f", {name: b"x"}, {})
    assert list(tmp_path.iterdir()) == []


def test_data_and_manifest_are_synced_before_the_rename_that_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut keeps is what was synced: so the order of syncs and renames is the promise."""
    done: list[tuple[str, str]] = []
    sync, rename = os.fsync, os.rename

    def watched_sync(fd: int) -> None:
        done.append(("sync", os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))))
        sync(fd)

    def watched_rename(old: Path, new: Path) -> None:
        done.append(("rename", os.path.basename(new)))
        rename(old, new)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(os, "rename", watched_rename)
    atomic.publish_folder(tmp_path / "f", {"a": b"1", "sub/b": b"2"}, {})
    steps = [f"{what} {name if not name.startswith('.tmp-') else 'folder'}" for what, name in done]
    assert steps == ["sync a", "sync b", "sync manifest.json", "sync sub", "sync folder", "rename f",
                     f"sync {tmp_path.name}"]


def test_a_torn_last_line_is_left_out_and_cut_by_the_next_append(tmp_path: Path) -> None:
    ledger = tmp_path / "l.jsonl"
    ledger.write_bytes(b'{"i": 0}\n{"i": 1')
    assert atomic.read_jsonl(ledger) == [{"i": 0}]
    atomic.append_line(ledger, '{"i": 2}')
    assert ledger.read_bytes() == b'{"i": 0}\n{"i": 2}\n'


def test_a_whole_last_line_without_newline_counts(tmp_path: Path) -> None:
    ledger = tmp_path / "l.jsonl"
    ledger.write_bytes(b'{"i": 0}\n{"i": 1}')
    assert atomic.read_jsonl(ledger) == [{"i": 0}, {"i": 1}]
    atomic.append_line(ledger, '{"i": 2}')
    assert [row["i"] for row in atomic.read_jsonl(ledger)] == [0, 1, 2]


def test_a_torn_tail_longer_than_one_read_is_cut_at_its_line(tmp_path: Path) -> None:
    ledger = tmp_path / "l.jsonl"
    ledger.write_bytes(b'{"i": 0}\n{"long": "' + b"x" * 200_000)
    atomic.append_line(ledger, '{"i": 2}')
    assert ledger.read_bytes() == b'{"i": 0}\n{"i": 2}\n'


def test_a_bad_line_elsewhere_is_an_error_with_its_number(tmp_path: Path) -> None:
    ledger = tmp_path / "l.jsonl"
    for bad in (b"{", b"[1]", b"\xff\xfe", b"[" * 100_000):
        ledger.write_bytes(b'{"i": 0}\n' + bad + b'\n{"i": 2}\n')
        with pytest.raises(VerificationError, match="line 2"):
            atomic.read_jsonl(ledger)


def test_unusual_line_separators_inside_a_record_do_not_split_it(tmp_path: Path) -> None:
    ledger = tmp_path / "l.jsonl"
    atomic.append_line(ledger, json.dumps({"t": "a\u2028b\x85c"}, ensure_ascii=False))
    assert atomic.read_jsonl(ledger) == [{"t": "a\u2028b\x85c"}]
    with pytest.raises(ValueError):
        atomic.append_line(ledger, "a\nb")


def test_there_is_nothing_in_a_ledger_that_does_not_exist(tmp_path: Path) -> None:
    assert atomic.read_jsonl(tmp_path / "none.jsonl") == []

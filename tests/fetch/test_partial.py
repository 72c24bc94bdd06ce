"""What an unfinished download leaves is taken up as far as it is known to be on disk, and never seen as a video."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fetch.conftest import noise
from fetch.web_server import Server

from strive.cache import fault
from strive.cache.store import Store
from strive.configs.errors import MissingError
from strive.stages.fetch.partial import FORGOTTEN_S, Note, Partial, sweep_partials

KEY = "ab" + "0" * 62
NOTE = Note('"v1"', "", 1000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def begun(store: Store, data: bytes) -> Partial:
    partial = Partial(store, KEY)
    partial.begin(NOTE)
    partial.append(data)
    partial.close()
    return partial


def test_only_synced_bytes_are_taken_up(store: Store) -> None:
    partial = begun(store, b"12345")
    with partial.path.open("ab") as file:
        file.write(b"never synced")
    again = Partial(store, KEY)
    again.resume()
    assert again.length == 5 and again.note.is_same(NOTE)
    again.append(b"678")
    again.close()
    assert partial.path.read_bytes() == b"12345678"


@pytest.mark.parametrize("note", ["", "{", "[]", '{"synced": 5}', '{"etag": "x", "unknown": 1}', '{"etag": 7}',
                                  '{"etag": "\\"x\\"", "synced": -1}'])
def test_a_note_that_is_torn_or_tells_nothing_vouches_for_nothing(note: str, store: Store) -> None:
    partial = begun(store, b"12345")
    partial.note_path.write_text(note)
    again = Partial(store, KEY)
    again.resume()
    assert again.length == 0


def test_a_file_that_lost_bytes_is_taken_up_where_it_ends(store: Store) -> None:
    partial = begun(store, b"12345")
    os.truncate(partial.path, 3)
    again = Partial(store, KEY)
    again.resume()
    assert again.length == 3


def test_unfinished_downloads_are_no_artefacts_and_go_after_two_weeks(store: Store) -> None:
    partial = begun(store, b"12345")
    assert list(store.entries()) == [] and store.find("fetch", KEY) is None
    sweep_partials(store)
    assert partial.path.exists()
    for path in (partial.path, partial.note_path):
        os.utime(path, (time.time() - FORGOTTEN_S - 9,) * 2)
    sweep_partials(store)
    assert not partial.path.exists() and not partial.note_path.exists()


def test_a_killed_runs_whole_download_is_not_taken_for_a_new_one(
    tmp_path: Path, server: Server, fetch: Callable[..., Any]
) -> None:
    old, new = noise(5000), noise(6000, seed=1)
    url = server.put("a.mp4", old)
    key = fetch(url).artefact.key
    left = Partial(Store(tmp_path / "cache"), key)  # as a kill between artefact and clearing up leaves it
    left.begin(Note('"old"', "", len(old)))
    left.append(old)
    left.close()
    server.put("a.mp4", new)
    assert fetch(url, force=True).data == new and not left.path.exists()


def test_weak_validators_are_not_trusted() -> None:
    assert not Note('W/"v1"').validator and Note('"v"').validator == '"v"'
    assert Note('W/"v1"', "date").validator == "date"
    assert NOTE.is_same(Note('"v1"', "", None)) and not NOTE.is_same(Note('"v1"', "", 999))
    assert not NOTE.is_same(Note('"v2"', "", 1000))


def test_a_disk_that_fills_up_at_any_write_ends_the_run_and_the_next_one_goes_on(
    tmp_path: Path, server: Server, fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise(100_000)
    url = server.put("a.mp4", data)
    for point in range(1, 99, 2):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        monkeypatch.setenv("STRIVE_FAULT", f"write:{point}:ENOSPC")
        monkeypatch.setattr(fault, "_points", 0)
        try:
            whole = fetch(url)
        except MissingError as error:
            assert "no space left" in error.what
            assert all(not one.damage() for one in Store(tmp_path / "cache").entries("fetch"))
            assert fetch(url).data == data
        else:
            assert whole.data == data
            break
    assert point > 15
    assert [path for path in (tmp_path / "cache" / "fetch" / ".partial").rglob("*") if path.is_file()] == []

"""V13, V15, S3, S5: whatever a file or a question is called, it is taken or refused by its quoted name on one line."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import QUICK, artefacts, strive, write_rows
from videos import make_video

from strive.stages.bundle import Bundle

NAMES = ("with space.mp4", "two\nlines.mp4", "tab\tand\rreturn.mp4", "🎬 ünï 片.mp4", "-dash.mp4", "--force.mp4",
         "[bold red]x.mp4", "\x1b[31m\x1b]0;title\x07.mp4", "\x9b31m.mp4", "\u202egnp.mp4", "%03d.mp4", "ab:c|*?.mp4",
         "x" * 251 + ".mp4", "é" * 125 + ".mp4", "'quote\".mp4", "$(touch canary).mp4", "a.b.c.mp4", "a.b.d.mp4",
         "\udcff\udcfe.mp4", "\udcc3(.mp4")


IDS = ("../../x", "/etc/x", "C:\\x", "a\0b", "\x1b[2J", "two\nlines", "[bold]", "x" * 5000, "🎬", ".", "..", "-n",
       "a/../b")

SHORT = ("score.scorer=hash", "score.tiles=2", "variants.frames=3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good video under each name, and a broken one beside it."""
    here = tmp_path_factory.mktemp("names") / "videos"
    here.mkdir()
    source = make_video(here.parent / "source.mp4", 3)
    for i, name in enumerate(NAMES):
        shutil.copyfile(source, here / name)
        with (here / name).open("ab") as file:
            file.write(b"\0\0\0\x09free" + bytes([i]))
        (here / f"{i:02d} bad").mkdir()
        (here / f"{i:02d} bad" / name).write_text(f"<html>{i}")
    return here


@pytest.fixture(scope="module")
def shared(folder: Path) -> Path:
    """A cache for all tests of this module but those that count what is in it."""
    return folder.parent / "cache"


def test_v13_v15_every_name_is_taken_or_fails_alone_and_every_line_stays_one(folder: Path, shared: Path) -> None:
    told = strive("extract", folder, "--workers", "2", "--cache-dir", shared)
    assert told.code == 3 and is_plain(told.out) and is_plain(told.err)
    assert len(told.out.splitlines()) == 1 and f"{len(NAMES)} done" in told.out
    assert len(artefacts(shared, "extract")) == len(NAMES), "two names with one stem are two entries"
    listed = strive("status", "extract", "--failed", "--cache-dir", shared)
    assert is_plain(listed.out) and sum("HTML" in line for line in listed.out.splitlines()) == len(NAMES)


def test_v15_json_names_every_item_exactly_and_is_plain_utf8(folder: Path, shared: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "strive.cli", "extract", str(folder), "--json", "--cache-dir", str(shared)],
        capture_output=True, timeout=120, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    said = json.loads(done.stdout.decode("utf-8"))
    assert done.returncode == 3 and said["done"] + said["cached"] == len(NAMES)
    assert {row["id"] for row in said["failed"]} == {f"{i:02d} bad/{name}" for i, name in enumerate(NAMES)}
    assert is_plain(done.stdout.decode()) and is_plain(done.stderr.decode())


def test_v15_rows_and_files_of_every_name_go_through_the_whole_chain(
    folder: Path, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_rows(tmp_path / "d.jsonl", {f"{name}?": name for name in NAMES})
    done = strive("variants", "--data", data, "--videos", folder, "--cache-dir", shared, sets=SHORT)
    assert done.code == 0, done.err
    assert f"{len(NAMES)} done" in done.out and is_plain(done.out) and is_plain(done.err)
    assert len(artefacts(shared, "variants")) == len(NAMES)
    assert not (tmp_path / "canary").exists()


def test_v15_a_leading_dash_is_taken_after_two_dashes_and_refused_on_one_line_without(
    folder: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert strive("extract", "--cache-dir", shared, "--", "-dash.mp4").code == 0
    refused = strive("extract", "-dash.mp4", "--json")
    assert refused.code == 2 and "-d" in refused.answer["error"]["what"]


def test_s3_an_id_is_never_part_of_a_path(folder: Path, tmp_path: Path, own_cache: Path) -> None:
    inside = tmp_path / "inside" / "deeper"
    inside.mkdir(parents=True)
    data = write_rows(inside / "d.jsonl", dict.fromkeys(IDS, "with space.mp4"))
    before = {*tmp_path.rglob("*")}
    done = strive("variants", "--data", data, "--videos", folder, "--json", sets=QUICK)
    assert done.code == 0 and done.answer["done"] == len(IDS), done.err
    made = {*tmp_path.rglob("*")} - before
    assert made and all(path == own_cache or own_cache in path.parents for path in made)
    assert all(part.isascii() and len(part) <= 80 for path in made for part in path.relative_to(tmp_path).parts)
    found = {Bundle.open(one.path / "bundle.h5").sample.id for one in artefacts(own_cache, "variants")}
    assert found == set(IDS)
    for name in IDS:
        shown = strive("inspect", "--out", tmp_path / "picture.png", "--", name)
        assert shown.code == 0 and is_plain(shown.out), shown


@pytest.mark.parametrize("video", [
    "../outside.mp4", "/etc/passwd", "C:\\x.mp4", "\\\\host\\share.mp4", "a\0b.mp4", "sub/../../outside.mp4", "",
    "link.mp4", "linked/outside.mp4",
])
def test_s3_a_video_out_of_the_folder_is_refused_by_name(tmp_path: Path, own_cache: Path, video: str) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    make_video(tmp_path / "outside.mp4", 3)
    (videos / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    (videos / "linked").symlink_to(tmp_path)
    data = write_rows(tmp_path / "d.jsonl", {"q": video})
    done = strive("extract", "--data", data, "--videos", videos)
    assert done.code == 2 and (repr(video)[1:-1] in done.err or not video) and is_plain(done.err)
    assert not (own_cache / "extract").exists()


def test_s5_a_terminal_gets_no_escape_sequence_or_markup_from_a_name(folder: Path, shared: Path) -> None:
    shown = on_a_terminal(["extract", str(folder), "--cache-dir", str(shared)])
    for sent in (b"\x1b[31m\x1b]0;", b"\x07", "\x9b31m".encode(), "\u202e".encode()):
        assert sent not in shown
    assert b"failed" in shown


def on_a_terminal(arguments: list[str]) -> bytes:
    """Everything that `strive ARGUMENTS` writes to a terminal of 100 columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="100")
        os.environ.pop("CI", None)
        os.execv(sys.executable, [sys.executable, "-m", "strive.cli", *arguments])
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown


def is_plain(text: str) -> bool:
    """Nothing in it drives a terminal or breaks a line."""
    return all(line.isprintable() for line in text.split("\n"))

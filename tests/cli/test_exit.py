"""How commands end when nobody reads, when they are stopped, and when the folder is not theirs."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STRIVE = f'"{sys.executable}" -m strive.cli'


@pytest.mark.parametrize("arguments", ["extract nope.mp4 --json", "status", "train --nope --json"])
def test_a_closed_stdout_is_141_on_every_path(arguments: str, own_cache: Path) -> None:
    script = f"set -o pipefail; (sleep 1; {STRIVE} {arguments} 2>/dev/null; echo $? >&2) | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().splitlines()[-1] == "141"


def test_a_stdout_that_was_never_open_is_141(own_cache: Path) -> None:
    done = subprocess.run(["bash", "-c", f"{STRIVE} status >&-"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 141 and "Traceback" not in done.stderr


def test_fail_fast_ends_with_4_and_says_what_was_done(tmp_path: Path, own_cache: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"not a video: " + name.encode())
    command = [sys.executable, "-m", "strive.cli", "extract", str(tmp_path), "--fail-fast", "--json", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    assert done.returncode == 4 and len(found["failed"]) == 1 and found["error"]["what"]


def test_a_demo_leaves_a_folder_alone_that_is_somebody_s_own(tmp_path: Path, own_cache: Path) -> None:
    mine = tmp_path / "eval" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    command = [sys.executable, "-m", "strive.cli", "demo", "--out", str(tmp_path), "--force", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "eval" in json.loads(done.stdout)["error"]["what"]
    assert mine.read_text() == "mine"


def test_a_config_file_that_is_not_utf8_is_a_usage_error(tmp_path: Path, own_cache: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(b"\xff\xfe")
    command = [sys.executable, "-m", "strive.cli", "config", "show", "-c", str(file)]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 2


def test_items_that_failed_are_exit_3_with_an_error_object(tmp_path: Path, own_cache: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    command = [sys.executable, "-m", "strive.cli", "extract", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    assert done.returncode == 3 and set(found["error"]) == {"what", "expected", "do"} and len(found["failed"]) == 1


def test_a_cache_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    command = [sys.executable, "-m", "strive.cli", "extract", "x.mp4", "--cache-dir", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "not a folder" in json.loads(done.stdout)["error"]["what"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_command_gets_ready_is_told(
    tmp_path: Path, own_cache: Path, number: signal.Signals, code: int
) -> None:
    out_folder = tmp_path / "demo"
    command = [sys.executable, "-m", "strive.cli", "demo", "--out", str(out_folder), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(out_folder.glob("world/videos/*.mp4")) and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == code, err
    assert json.loads(out)["error"]["what"]

"""A child that hangs, crashes, eats memory or talks cannot hurt its parent; its death is a reason in words."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from videos import make_video

from strive.configs.errors import ItemError, MissingError
from strive.configs.schema import Config
from strive.stages.extract.worker import Child, Pool


@pytest.fixture
def bad_child(monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    child = Child("bad_child")
    yield child
    child.kill()


@pytest.mark.parametrize("how", ["sleep", "spin"])
def test_a_child_that_hangs_is_killed_at_the_deadline(bad_child: Child, how: str) -> None:
    started = time.monotonic()
    with pytest.raises(ItemError, match=r"^decode took more than 0\.3 s$"):
        bad_child.ask({"do": how}, 0.3)
    assert time.monotonic() - started < 5 and not bad_child.alive


@pytest.mark.parametrize(("how", "reason"), [
    ("crash", "the decoder crashed (SIGSEGV)"), ("abort", "the decoder crashed (SIGABRT)"),
    ("killed", "the decoder was killed (SIGKILL; out of memory?)"),
    ("raise", "the decoder stopped with exit code 1: ValueError: a bug in the decoder"),
])
def test_a_death_is_a_reason(bad_child: Child, how: str, reason: str) -> None:
    with pytest.raises(ItemError) as error:
        bad_child.ask({"do": how}, 30)
    assert str(error.value) == reason and not bad_child.alive


def test_memory_beyond_the_limit_is_refused_and_the_child_lives_on(bad_child: Child) -> None:
    with pytest.raises(ItemError, match="no memory"):
        bad_child.ask({"do": "eat"}, 30)
    assert bad_child.ask({"do": "nothing"}, 30)[0]["pid"] == bad_child.process.pid


def test_what_a_library_prints_does_not_reach_the_answer(bad_child: Child) -> None:
    header, blobs = bad_child.ask({"do": "talk"}, 30)
    assert header["pid"] == bad_child.process.pid and blobs == [b"x" * 5_000_000]


def test_a_pool_replaces_the_dead_and_reuses_the_living(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pool = Pool("bad_child")
    pids = []
    for how in ("nothing", "nothing", "crash", "nothing"):
        with pool.child() as child:
            try:
                pids.append(child.ask({"do": how}, 30)[0]["pid"])
            except ItemError:
                continue
    pool.close()
    assert pids[0] == pids[1] != pids[2]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_child_outlives_the_thread_that_asked_for_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pool, pids = Pool("bad_child"), []

    def work() -> None:
        with pool.child() as first, pool.child() as second:
            pids.extend(child.ask({"do": "nothing"}, 30)[0]["pid"] for child in (first, second))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        time.sleep(0.2)
    pool.close()
    assert len(set(pids)) == 2 and len(pids) == 4


def test_closing_a_pool_ends_the_children_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pool, heard = Pool("bad_child"), []

    def work() -> None:
        try:
            with pool.child() as child:
                child.ask({"do": "sleep"}, 600)
        except ItemError as error:
            heard.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    pool.close()
    thread.join(10)
    assert not thread.is_alive() and "SIGKILL" in heard[0]


def test_a_child_dies_with_its_parent_even_while_it_spins(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import threading, time\nfrom strive.stages.extract.worker import Child\n"
        "child = Child('bad_child')\nprint(child.process.pid, flush=True)\nchild.ask({'do': 'spin'}, 600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    assert is_running(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_signals_for_the_parent_do_not_stop_a_child() -> None:
    child = Child("strive.stages.extract.child")
    for number in (signal.SIGINT, signal.SIGTERM):
        child.process.send_signal(number)
    time.sleep(0.2)
    assert child.alive
    child.kill()


def test_a_video_that_needs_too_much_memory_is_a_failed_item(tmp_path: Path) -> None:
    path = make_video(tmp_path / "big.mp4", 2, size=(3840, 2160))
    child = Child("strive.stages.extract.child")
    request = {**Config().extract.result_keys(), "decoder": "pyav", "path": str(path)}
    with pytest.raises(ItemError, match="memory"):
        child.ask({**request, "memory_mib": 24}, 60)
    child.kill()
    child = Child("strive.stages.extract.child")
    assert child.ask({**request, "memory_mib": 4096}, 60)[0]["sizes"] == [[336, 597]] * 2
    child.kill()


def test_a_video_that_takes_too_long_fails_and_the_others_do_not(tmp_path: Path, extract: Callable[..., Any]) -> None:
    slow = make_video(tmp_path / "slow.mp4", 60, 30, size=(1280, 720), codec="mpeg4")
    quick = make_video(tmp_path / "quick.mp4", 3)
    found = extract(slow, quick, deadline_s=0.4, short_side=720, codec="png")
    assert found.reasons == {"slow.mp4": "decode took more than 0.4 s"} and found.outcome.done == 1


def test_opencv_without_its_system_libraries_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extract: Callable[..., Any]
) -> None:
    (tmp_path / "shadow" / "cv2").mkdir(parents=True)
    (tmp_path / "shadow" / "cv2" / "__init__.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    with pytest.raises(MissingError) as error:
        extract(make_video(tmp_path / "a.mp4", 3))
    assert error.value.code == 5 and "apt-get install -y libgl1 libglib2.0-0" in str(error.value)
    assert "libGL.so.1" in str(error.value)

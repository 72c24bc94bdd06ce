"""One holder at a time: the living are waited for, the dead are taken over from, other hosts are never robbed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from strive.cache import lock
from strive.cache.key import make_key
from strive.cache.owner import me
from strive.cache.store import Store
from strive.configs.errors import LockedError

KEY = make_key("extract", 1, {}, {})
HOLD = """
import os, sys, time
from pathlib import Path
from strive.cache import lock
with lock.hold(Path(sys.argv[1])):
    {then}
    print('held', flush=True)
    time.sleep(60)
"""


def start_holder(path: Path, then: str = "pass") -> subprocess.Popen[str]:
    """A program that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLD.format(then=then), str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()


def foreign_record(path: Path) -> None:
    record = {**me().as_dict(), "host": "node7", "space": "0" * 12, "command": "strive extract"}
    path.write_text(json.dumps(record))


def test_a_living_holder_is_named_with_pid_host_and_command(tmp_path: Path) -> None:
    path, said = tmp_path / "a.lock", list[str]()
    child = start_holder(path)
    try:
        with pytest.raises(LockedError, match=f"process {child.pid} on {os.uname().nodename}") as caught:
            lock.hold(path, timeout_s=0.3, on_wait=said.append).__enter__()
    finally:
        kill(child)
    assert caught.value.code == 7 and "0 s" in caught.value.expected
    assert len(said) == 1 and f"process {child.pid}" in said[0]


def test_a_killed_holder_is_taken_over_from_and_named(tmp_path: Path) -> None:
    path, said = tmp_path / "a.lock", list[str]()
    child = start_holder(path)
    kill(child)
    with lock.hold(path, timeout_s=5, on_wait=said.append):
        assert lock.holder(path) == me()
    assert len(said) == 1 and f"process {child.pid}" in said[0] and "dead" in said[0]
    assert not path.exists()


@pytest.mark.parametrize("how", [
    "child = os.fork()\n    if child == 0: time.sleep(30); os._exit(0)",
    "import fcntl, subprocess; from strive.cache.lock import _open_fds\n"
    "    child = subprocess.Popen(['sleep', '30'], pass_fds=tuple(_open_fds), stdout=subprocess.DEVNULL).pid",
], ids=["forked", "given the descriptor"])
def test_a_killed_holder_with_a_surviving_child_is_taken_over_from(tmp_path: Path, how: str) -> None:
    path, said = tmp_path / "a.lock", list[str]()
    child = start_holder(path, how + f"\n    Path({str(tmp_path / 'survivor')!r}).write_text(str(child))")
    kill(child)
    survivor = int((tmp_path / "survivor").read_text())
    try:
        os.kill(survivor, 0)
        with lock.hold(path, timeout_s=5, on_wait=said.append), pytest.raises(LockedError):
            lock.hold(path, timeout_s=0).__enter__()
    finally:
        os.kill(survivor, signal.SIGKILL)
    assert any(f"process {child.pid}" in text and "dead" in text for text in said)


def test_a_reused_process_number_is_not_mistaken_for_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.write_text(json.dumps({**me().as_dict(), "start": "00000000.1"}))
    with lock.hold(path, timeout_s=0):
        assert json.loads(path.read_text())["start"] == me().as_dict()["start"]


def test_another_host_is_waited_for_while_its_record_is_touched_and_not_robbed(tmp_path: Path) -> None:
    path, stop = tmp_path / "a.lock", threading.Event()
    foreign_record(path)
    with pytest.raises(LockedError, match="node7"):
        lock.hold(path, timeout_s=0.2).__enter__()

    def touch() -> None:
        while not stop.wait(0.05):
            os.utime(path)

    beat = threading.Thread(target=touch)
    beat.start()
    try:
        with pytest.raises(LockedError):
            lock.hold(path, timeout_s=1, foreign_silence_s=0.6).__enter__()
    finally:
        stop.set()
        beat.join()
    assert json.loads(path.read_text())["host"] == "node7"
    with lock.hold(path, timeout_s=5, foreign_silence_s=0.3):
        assert lock.holder(path) == me()


def test_clocks_do_not_decide_about_another_host(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    for offset_s in (-(10**8), 10**8):
        foreign_record(path)
        os.utime(path, (time.time() + offset_s,) * 2)
        with pytest.raises(LockedError):
            lock.hold(path, timeout_s=0.1).__enter__()


def test_a_torn_record_does_not_stop_anyone(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    for text in ("", "{", "[]", '{"host": 1}', '{"host": "h", "space": "s", "pid": "x", "start": "", "command": ""}'):
        path.write_text(text)
        with lock.hold(path, timeout_s=0):
            assert lock.holder(path) == me()


def test_a_forked_child_that_leaves_the_block_does_not_let_go(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with lock.hold(path):
        pid = os.fork()
        if pid == 0:
            try:
                with pytest.raises(LockedError):
                    lock.hold(path, timeout_s=0).__enter__()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        with pytest.raises(LockedError):
            lock.hold(path, timeout_s=0).__enter__()


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        with lock.hold(tmp_path / "a.lock", timeout_s=10):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


RACE = """
import os, sys, time
from pathlib import Path
from strive.cache.store import Store
root, ready, key = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
store = Store(root)
while not ready.exists():
    time.sleep(0.005)
with store.claim('extract', key, timeout_s=30) as found:
    if found is None:
        with open(root.parent / 'made', 'a') as log:
            log.write(f'{os.getpid()}\\n')
        time.sleep(0.2)
        store.publish('extract', key, {'frames.h5': b'x' * 1000}, {'version': 1})
print(store.find('extract', key).digest)
"""


def race(tmp_path: Path, keys: list[str]) -> tuple[list[str], int]:
    """Start one program a key at the same time; returns what each printed and how often anything was made."""
    ready = tmp_path / "ready"
    commands = [[sys.executable, "-c", RACE, str(tmp_path / "cache"), str(ready), key] for key in keys]
    children = [subprocess.Popen(one, stdout=subprocess.PIPE, text=True) for one in commands]
    ready.touch()
    outs = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0] * len(keys)
    return outs, len((tmp_path / "made").read_text().splitlines())


@pytest.mark.parametrize("count", [2, 8])
def test_the_same_key_is_made_once_by_any_number_of_runs(tmp_path: Path, count: int) -> None:
    outs, made = race(tmp_path, [KEY] * count)
    assert made == 1 and len(set(outs)) == 1
    assert os.listdir(tmp_path / "cache" / "locks") == [".guard"]


def test_different_keys_do_not_wait_for_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.claim("extract", KEY), store.claim("extract", make_key("extract", 2, {}, {}), timeout_s=0) as found:
        assert found is None


def test_a_claim_yields_what_another_run_finished_meanwhile(tmp_path: Path) -> None:
    store, found = Store(tmp_path), list[object]()

    def wait_and_look(tell: Callable[[str], None]) -> None:
        with store.claim("extract", KEY, timeout_s=10, on_wait=tell) as artefact:
            found.append(artefact)

    waiting = threading.Event()
    with store.claim("extract", KEY):
        thread = threading.Thread(target=wait_and_look, args=(lambda _text: waiting.set(),))
        thread.start()
        assert waiting.wait(5)
        made = store.publish("extract", KEY, {"a": b"1"}, {})
    thread.join()
    assert found == [made]


def test_a_claim_after_a_kill_makes_the_artefact(tmp_path: Path) -> None:
    store, said = Store(tmp_path), list[str]()
    child = start_holder(store.lock_path("extract", KEY))
    kill(child)
    with store.claim("extract", KEY, timeout_s=5, on_wait=said.append) as found:
        assert found is None
        store.publish("extract", KEY, {"a": b"1"}, {})
    assert store.find("extract", KEY) is not None and str(child.pid) in said[0]


BEAT = """
import contextlib, os, sys, threading, time
from pathlib import Path
from strive.cache import heartbeat, lock
heartbeat.BEAT_S = 0.05
folder = Path(sys.argv[1])
with contextlib.ExitStack() as held:
    for n in range(100):
        held.enter_context(lock.hold(folder / f'{n}.lock'))
    assert threading.active_count() == 2, threading.enumerate()
    for path in folder.glob('*.lock'):
        os.utime(path, (0, 0))
    time.sleep(0.5)
    assert all(path.stat().st_mtime > 0 for path in folder.glob('*.lock'))
    if os.fork() == 0:
        with lock.hold(folder / 'child.lock'):
            os.utime(folder / 'child.lock', (0, 0))
            time.sleep(0.5)
            os._exit(0 if (folder / 'child.lock').stat().st_mtime > 0 else 1)
    assert os.wait()[1] == 0
"""


def test_one_thread_shows_other_hosts_that_the_holder_of_many_locks_lives(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BEAT, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

"""Child processes that may hang, crash or eat memory without harm: a deadline, SIGKILL, and a reason in words."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any

from strive.configs.errors import ItemError, MissingError
from strive.stages.extract.wire import pack, receive

START_LIMIT_S = 120.0
STDERR_TAIL = 4096
Start = Callable[[Sequence[str]], subprocess.Popen[bytes]]


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The process of a child; it dies with the thread that calls this."""
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        process_group=0,  # Ctrl-C is for us: we ask the child to end
    )


class Child:
    """One child process that answers requests, one after the other; dead after the first one it fails to answer."""

    def __init__(self, module: str, arguments: Sequence[str] = (), start: Start = start) -> None:
        self.process = start([sys.executable, "-P", "-m", module, str(os.getpid()), *arguments])
        self._tail = bytearray()
        self._drain = threading.Thread(target=self._read_stderr, args=(self.process.stderr,), daemon=True)
        self._drain.start()
        self.ask(None, START_LIMIT_S)

    def _read_stderr(self, stream: IO[bytes]) -> None:
        while piece := stream.read(4096):
            self._tail += piece
            del self._tail[:-STDERR_TAIL]

    @property
    def alive(self) -> bool:
        """True while it can be asked."""
        return self.process.poll() is None

    def ask(self, request: dict[str, Any] | None, deadline_s: float) -> tuple[dict[str, Any], list[bytes]]:
        """Send a request (None: wait for the greeting), return the answer's header and blobs.

        Raises `ItemError` with the reason when the child says so, hangs or dies, `MissingError` when the child lacks
        a library.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        deadline = time.monotonic() + deadline_s
        try:
            if request is not None:
                self.process.stdin.write(pack(request))
            header, blobs = receive(self.process.stdout.fileno(), deadline)
        except TimeoutError:
            self.kill()
            raise ItemError(f"decode took more than {deadline_s:g} s") from None
        except (EOFError, BrokenPipeError):
            raise ItemError(self.obituary()) from None
        except BaseException:
            self.kill()
            raise
        if "missing" in header:
            self.kill()
            raise MissingError(**header["missing"])
        if "reason" in header:
            raise ItemError(header["reason"])
        return header, blobs

    def obituary(self) -> str:
        """Why the child died, in words."""
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
            return "the decoder stopped answering"
        self._drain.join(1)
        lines = self._tail.decode(errors="replace").strip().splitlines()
        last = lines[-1][:200] if lines else "it said nothing"
        if code >= 0:
            return f"the decoder stopped with exit code {code}: {last}"
        name = signal.Signals(-code).name
        if name == "SIGKILL":
            return "the decoder was killed (SIGKILL; out of memory?)"
        return f"the decoder crashed ({name})"

    def kill(self) -> None:
        """End it now. Its pipes stay open, because another thread may be waiting on them for this very end."""
        self.process.kill()
        self.process.wait()


class Pool:
    """Children that are reused; as many as are asked for at the same time.

    Linux ends a child with the thread that started it, not with the process, and whoever asks for a child may be a
    thread of short life: one thread that lives as long as the pool starts them all.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self._module, self._arguments = module, arguments
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._all: list[Child] = []
        self._young: set[subprocess.Popen[bytes]] = set()  # started, and not yet heard of
        self._closed = False
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="children")
        self._give_back(self._start())

    def _start(self) -> Child:
        try:
            child = Child(self._module, self._arguments, self._launch)
        except RuntimeError as error:  # the starter is gone
            raise ItemError("the stage ended before it was decoded") from error
        with self._lock:
            self._all = [one for one in self._all if one.alive] + [child]
            self._young.discard(child.process)
            closed = self._closed
        if closed:
            child.kill()
        return child

    def _launch(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        process = self._starter.submit(start, command).result()
        with self._lock:
            self._young.add(process)
        return process

    def _give_back(self, child: Child) -> None:
        if child.alive:
            with self._lock:
                self._idle.append(child)

    @contextmanager
    def child(self) -> Iterator[Child]:
        """A child for one request."""
        with self._lock:
            child = self._idle.pop() if self._idle else None
        if child is None or not child.alive:
            child = self._start()
        try:
            yield child
        finally:
            self._give_back(child)

    def close(self) -> None:
        """End all children, those at work too: whoever waits for one gets an `ItemError`."""
        with self._lock:
            self._closed = True
            for child in self._all:
                child.kill()
            for process in self._young:
                process.kill()
            self._all, self._idle = [], []
        self._starter.shutdown()

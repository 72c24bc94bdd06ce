"""A process that has imported everything, and forks itself into commands: a real run without two seconds of imports.

Each command is `strive.cli.main.run` in a process and a session of its own, with its own output files, so that it can
be killed like any other.
"""

import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAVY = ("av", "cv2", "h5py", "numpy", "open_clip", "PIL.Image", "pydantic", "rich.progress", "safetensors.torch",
         "tokenizers", "torch", "torchvision", "typer", "yaml")


@dataclass
class Run:
    """One command that was started."""

    warm: "WarmProcess"
    pid: int
    out: Path
    err: Path

    def wait(self, timeout_s: float = 120) -> int | None:
        """Its exit code (minus the signal that killed it), or None while it still runs after that long."""
        code: int | None = self.warm.ask({"wait": self.pid, "timeout_s": timeout_s})["code"]
        return code

    def kill(self, whole_group: bool = True) -> int | None:
        """SIGKILL, and the exit code."""
        with suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(self.pid, signal.SIGKILL)
        return self.wait()

    def said(self) -> str:
        """Everything that it printed."""
        return self.out.read_text("utf-8") + self.err.read_text("utf-8")

    def answer(self) -> dict[str, Any]:
        """The JSON object on its stdout."""
        found: dict[str, Any] = json.loads(self.out.read_text("utf-8"))
        return found


class WarmProcess:
    """Starts commands; `folder` takes their output. It imports `modules` too."""

    def __init__(self, folder: Path, modules: Sequence[str] = ()) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen([sys.executable, __file__, *modules], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, start_new_session=True, text=True)
        self.ask({})

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None,
        whole: bool = False,
    ) -> Run:
        """Start `strive ARGUMENTS` in the folder `cwd`; `environment` is added to what there was when this process
        started, or with `whole` is all that there is."""
        self._count += 1
        out, err = (self._folder / f"{self._count}.{name}" for name in ("out", "err"))
        request = {"arguments": list(arguments), "environment": dict(environment or {}), "out": str(out),
                   "err": str(err), "cwd": str(cwd or Path.cwd()), "whole": whole}
        return Run(self, self.ask(request)["pid"], out, err)

    def finish(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run to the end; what it answered. Fails with what it said when it did not end well."""
        run = self.start(arguments, environment)
        code = run.wait()
        assert code == 0, f"exit code {code}: {run.said()}"
        return run.answer()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request to the process, one answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def serve() -> None:
    """Import, then answer requests until nobody asks."""
    for name in (*HEAVY, *sys.argv[1:]):
        importlib.import_module(name)
    from strive.cli import main
    from strive.stages import registry, runner

    assert main and runner
    for name in registry.STAGES:
        registry.stage(name)
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.write(json.dumps(handle(request)) + "\n")
        sys.stdout.flush()


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Start a command or wait for one."""
    if "wait" in request:
        return {"code": wait_for(request["wait"], request["timeout_s"])}
    if "arguments" not in request:
        return {}
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(request, tell)
    os.close(tell)
    os.read(ready, 1)
    os.close(ready)
    return {"pid": pid}


def wait_for(pid: int, timeout_s: float) -> int | None:
    """The exit code, or None when it still runs after `timeout_s`."""
    watch = os.pidfd_open(pid)
    try:
        if not select.select([watch], [], [], timeout_s)[0]:
            return None
    finally:
        os.close(watch)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def become(request: dict[str, Any], tell: int) -> None:
    """In the child: a session of its own, its own files, then the command; never returns."""
    os.setsid()
    for number, name, mode in ((0, os.devnull, os.O_RDONLY), (1, request["out"], os.O_CREAT | os.O_WRONLY),
                               (2, request["err"], os.O_CREAT | os.O_WRONLY)):
        os.dup2(os.open(name, mode, 0o666), number)
    if request["whole"]:
        os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    sys.argv = ["strive", *request["arguments"]]
    os.close(tell)
    from strive.cli.main import run

    try:
        code = run(sys.argv[1:])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    for thread in threading.enumerate():  # as the end of an interpreter does, without a second of freeing torch
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()

"""`strive` as it is typed, for tests that type a lot: real processes, forked from one that has imported everything."""

import atexit
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from warm_process import WarmProcess

QWEN = "transformers.models.qwen2_5_vl"
POLICIES = (f"{QWEN}.modeling_qwen2_5_vl", f"{QWEN}.processing_qwen2_5_vl", "peft")


@cache
def warm() -> WarmProcess:
    """The process that commands are forked from: one for all tests of this process."""
    folder = tempfile.TemporaryDirectory(prefix="typed-")
    process = WarmProcess(Path(folder.name), POLICIES)
    atexit.register(folder.cleanup)
    atexit.register(process.close)
    return process


def typed(*arguments: Any, timeout: float = 180, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """`strive ARGUMENTS` with this process's environment, run to its end. Raises `TimeoutExpired`."""
    given = list(map(str, arguments))
    run = warm().start(given, os.environ, cwd, whole=True)
    code = run.wait(timeout)
    if code is None:
        run.kill()
        raise subprocess.TimeoutExpired(given, timeout)
    return subprocess.CompletedProcess(given, code, run.out.read_text("utf-8"), run.err.read_text("utf-8"))

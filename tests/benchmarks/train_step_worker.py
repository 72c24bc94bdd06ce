"""Runs one measurement in a process of its own, with its own threads, and stops it when it takes too much memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from train_step_shape import Shape

HERE = Path(__file__).parent
SPARE_MB = 400
"""Left to the rest of the machine."""
WATCH_S = 0.1


class TooLarge(Exception):
    """The process needs more memory than it may have."""


def build_model(folder: Path, size: str) -> None:
    """Write the benchmark model; in a process of its own, so that this one stays small."""
    finish(start("model", [str(folder), size], 1, folder / "build.log"), folder / "build.log", None)


def run_worker(side: str, shape: Shape, limit_mb: float) -> dict[str, Any]:
    """What `train_step_<side>.py` measured; `TooLarge` when its memory passes `limit_mb` or what the machine has."""
    with tempfile.TemporaryDirectory() as scratch:
        result, log = Path(scratch) / "result.json", Path(scratch) / "log"
        process = start(side, [shape.to_json(), str(result)], shape.threads, log)
        finish(process, log, min(limit_mb, available_mb() - SPARE_MB))
        answer: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return answer


def start(side: str, arguments: list[str], threads: int, log: Path) -> "subprocess.Popen[bytes]":
    """The worker on the CPU, offline, with as many threads as asked for."""
    count = str(threads)
    env = os.environ | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "TOKENIZERS_PARALLELISM": "false",
                        "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    with log.open("wb") as stream:
        return subprocess.Popen([sys.executable, str(HERE / f"train_step_{side}.py"), *arguments], env=env,
                                stdout=stream, stderr=stream)


def finish(process: "subprocess.Popen[bytes]", log: Path, limit_mb: float | None) -> None:
    """Wait; `TooLarge` beyond the limit or when the system has killed it, SystemExit with its last words otherwise."""
    try:
        while process.poll() is None:
            if limit_mb is not None and resident_mb(process.pid) > limit_mb:
                raise TooLarge(f"more than {limit_mb:,.0f} MiB")
            time.sleep(WATCH_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode == -9:
        raise TooLarge("killed by the system")
    if process.returncode:
        words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise SystemExit(f"{process.args[1]} ended with {process.returncode}:\n{words}")  # type: ignore[index]


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MiB; 0 where there is no /proc."""
    return kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def available_mb() -> float:
    """What the machine could still give, in MiB; without /proc any amount."""
    return kilobytes(Path("/proc/meminfo"), "MemAvailable:") / 1024 or float("inf")


def kilobytes(file: Path, field: str) -> int:
    """A field of a file in /proc; 0 when it is not there."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)

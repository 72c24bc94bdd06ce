"""What one measurement of the training step is given and gives back, and how a process measures itself."""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FRAME_SIDE = 112
FRAME_TOKENS = 18  # 4 x 4 merged patches, a start and an end token
TEXT_TOKENS = 22
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Shape:
    """One measurement: `frames` images in the prompt, `generations` completions of exactly `tokens` tokens.

    model: folder of the benchmark model. vision: "trainable", or "frozen" (features cached where a trainer can).
    steps: timed steps after one step of warm-up. microbatch: completions a forward, for TRL alone. profile: say where
    the time goes after measuring.
    """

    model: str
    frames: int
    generations: int
    tokens: int
    steps: int
    threads: int
    vision: str = "trainable"
    microbatch: int = 0
    seed: int = 0
    profile: bool = False

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt: 310 for 16 frames, 1,174 for 64, 4,630 for 256."""
        return self.frames * FRAME_TOKENS + TEXT_TOKENS

    def to_json(self) -> str:
        """As a worker's argument."""
        return json.dumps(asdict(self))


def resident_mb(field: str = "VmRSS") -> float:
    """This process's resident memory in MiB; `field` VmHWM: its peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


class PeakMemory:
    """The peak of resident memory since it was made, minus what was resident then, in MiB.

    Make it after the imports. Without Linux' /proc it is the process's peak over its life, imports included.
    """

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self.before: float | None = resident_mb()
        except OSError:
            self.before = None

    def mb(self) -> float:
        """MiB so far."""
        if self.before is not None:
            return resident_mb("VmHWM") - self.before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / MEBIBYTE if sys.platform == "darwin" else peak / 1024


class Clock:
    """Seconds spent in named parts; nested calls of one part count once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: set[str] = set()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time added to `part`."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if part in self._open:
                return function(*args, **kwargs)
            self._open.add(part)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._open.discard(part)
                self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start

        return run

    def take(self) -> dict[str, float]:
        """The seconds so far, which are then forgotten."""
        taken, self.seconds = self.seconds, {}
        return taken


def medians(steps: list[dict[str, float]]) -> dict[str, float]:
    """Part by part, the median over the steps, in seconds."""
    return {part: round(statistics.median(step.get(part, 0.0) for step in steps), 4) for part in steps[0]}


def serve(work: Callable[[Shape], dict[str, Any]]) -> None:
    """Body of a worker's process: the shape is its first argument, the answer goes to the file that is its second."""
    import torch

    shape = Shape(**json.loads(sys.argv[1]))
    torch.set_num_threads(shape.threads)
    torch.manual_seed(shape.seed)
    answer = work(shape) | {"load": round(os.getloadavg()[0], 1)}
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")

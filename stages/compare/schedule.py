"""Runs the tasks of a comparison in child processes, a few at a time; stops them all when asked to."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from strive.configs.errors import InterruptedRun, StoppedError, StriveError
from strive.stages.compare.tasks import Task
from strive.stages.interrupt import StopFlag, stop_flag
from strive.stages.reporter import Reporter

MODULE = "strive.stages.compare.child"
POLL_S = 0.1
SPEAK_S = 30.0
"""Seconds between two lines about the runs that are going on."""


@dataclass(frozen=True)
class Slot:
    """A place where one run at a time goes on; `gpu` as CUDA_VISIBLE_DEVICES names it, "" for none."""

    number: int
    gpu: str = ""


@dataclass
class Going:
    """A task whose child is at work; `seen` is what it said last."""

    task: Task
    slot: Slot
    process: subprocess.Popen[bytes]
    started: float
    listener: threading.Thread
    seen: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def status(self) -> str:
        """Where it stands, in words."""
        figures = "  ".join(f"{name} {self.seen[name]:.3f}" for name in ("reward_mean", "eval_accuracy")
                            if name in self.seen)
        where = f"{self.seen['stage']} {self.seen['done']}/{self.seen['total']}" if "stage" in self.seen else "starts"
        return f"{self.task.name}: {where}{'  ' + figures if figures else ''}"


@dataclass
class Schedule:
    """`done` counts the tasks that finished, `failed` has the reason for each that did not, by its name.

    threads: CPU threads of each child. fail_fast: stop all at the first failure.
    """

    slots: Sequence[Slot]
    threads: int
    reporter: Reporter
    fail_fast: bool = False
    failed: dict[str, str] = field(default_factory=dict)
    going: list[Going] = field(default_factory=list)
    done: int = 0
    spoken: float = field(default_factory=time.monotonic)

    def run(self, tasks: Sequence[Task], before: int) -> None:
        """Run them all, `before` are done already; raises `InterruptedRun` once every child has stopped.

        A second Ctrl-C kills the children. What fails is noted, and the others go on; with `fail_fast` they are asked
        to stop, and `StoppedError` is raised.
        """
        queue, total = list(tasks), before + len(tasks)
        with stop_flag() as stop, self.children_end():
            while (queue or self.going) and stop.code is None and not (self.fail_fast and self.failed):
                while queue and len(self.going) < len(self.slots):
                    self.begin(queue.pop(0))
                self.wait_a_little(stop)
                self.speak(total - len(queue) - len(self.going) - len(self.failed), total)
            if queue or self.going:
                self.ask_to_stop()
                error = self.stopped(stop.code, before + self.done, total)
                lost = [{"id": name, "reason": reason} for name, reason in self.failed.items()]
                error.fields = {"done": self.done, "cached": before, "failed": lost}
                raise error

    def stopped(self, code: int | None, done: int, total: int) -> StriveError:
        """Why not all runs are done."""
        kept = f"{done} of {total} runs are done; what the others have begun is kept"
        if code is not None:
            return InterruptedRun(f"stopped by a signal; {kept}", code)
        name, reason = next(iter(self.failed.items()))
        return StoppedError(f"{name}: {reason}; {kept}", "no failure (--fail-fast)",
                            "Mend what it says and run the same command again.")

    @contextmanager
    def children_end(self) -> Iterator[None]:
        """Whatever happens in the block, no child outlives it."""
        try:
            yield
        finally:
            for one in self.going:
                one.process.kill()
                one.process.wait()

    def begin(self, task: Task) -> None:
        """Start the child of a task in a free slot."""
        used = {one.slot for one in self.going}
        slot = next(slot for slot in self.slots if slot not in used)
        task.write()
        task.log.parent.mkdir(parents=True, exist_ok=True)
        with task.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, str(task.file), str(os.getpid())], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, env=environment(slot, self.threads),
                start_new_session=True,  # Ctrl-C is for us: we ask the children to end
            )
        going = Going(task, slot, process, time.monotonic(), threading.Thread())
        assert process.stdout is not None
        going.listener = threading.Thread(target=listen, args=(process.stdout, going), daemon=True)
        going.listener.start()
        self.going.append(going)

    def wait_a_little(self, stop: StopFlag) -> None:
        """Until a child ends, at most for a moment; ended ones are booked."""
        deadline = time.monotonic() + POLL_S
        while time.monotonic() < deadline and stop.code is None:
            if any(one.process.poll() is not None for one in self.going):
                break
            time.sleep(POLL_S / 5)
        for one in [one for one in self.going if one.process.poll() is not None]:
            self.going.remove(one)
            self.book(one)

    def book(self, one: Going) -> None:
        """Note how a task ended."""
        one.listener.join(5)
        seconds = time.monotonic() - one.started
        for text in dict.fromkeys(one.warnings):
            self.reporter.warn(f"{one.task.name}: {text}")
        if one.process.returncode == 0:
            one.task.finish(seconds)
            self.done += 1
            self.reporter.info(f"{one.status()}; done in {seconds:.0f} s")
            return
        self.failed[one.task.name] = reason = obituary(one)
        self.reporter.warn(f"{one.task.name} failed: {reason}; its log is {one.task.log}")

    def speak(self, done: int, total: int) -> None:
        """The bar, and now and then a line for each run."""
        current = ", ".join(one.task.name for one in self.going)
        self.reporter.progress("compare", done, total, len(self.failed), current)
        if time.monotonic() - self.spoken >= SPEAK_S:
            self.spoken = time.monotonic()
            for one in self.going:
                self.reporter.info(f"  {one.status()}")

    def ask_to_stop(self) -> None:
        """Let every child finish its step and write a checkpoint; those that were done at that moment are booked."""
        self.reporter.info(f"compare: stopping {len(self.going)} runs; they save what they have")
        for one in self.going:
            one.process.send_signal(signal.SIGTERM)
        for one in list(self.going):
            if one.process.wait() == 0:
                self.book(one)
            self.going.remove(one)


def listen(lines: IO[bytes], going: Going) -> None:
    """Keep the last of what a child says, and all its warnings."""
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if "warning" in said:
            going.warnings.append(said.pop("warning"))
        going.seen |= said


def obituary(one: Going) -> str:
    """Why a child ended without finishing, in words."""
    if "reason" in one.seen:
        return str(one.seen["reason"])
    code = one.process.returncode
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed ({name}{'; out of memory?' if name == 'SIGKILL' else ''})"
    last = one.task.log.read_text("utf-8", errors="replace").strip().splitlines()[-1:]
    return f"ended with exit code {code}: {last[0][:200] if last else 'it said nothing'}"


def environment(slot: Slot, threads: int) -> dict[str, str]:
    """The child's environment: few threads, one GPU, nothing drawn."""
    own = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    own |= {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **own, **({"CUDA_VISIBLE_DEVICES": slot.gpu} if slot.gpu else {})}


def make_slots(workers: int | None, cores: int, threads: int, gpus: Sequence[str]) -> list[Slot]:
    """As many runs at a time as asked for; by default one on each GPU, or as many as the cores have threads for."""
    count = workers or len(gpus) or max(1, cores // threads)
    return [Slot(number, gpus[number % len(gpus)] if gpus else "") for number in range(count)]


def visible_gpus(device: str, count: Callable[[], int], env: Mapping[str, str]) -> list[str]:
    """The GPUs that runs may use, as CUDA_VISIBLE_DEVICES names them; [] when training is not meant for them."""
    if device not in ("auto", "cuda"):
        return []
    named = [name.strip() for name in env.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    there = count()
    return named[:there] if named else [str(number) for number in range(there)]

"""The only printer: results on stdout, talk on stderr, one JSON object with --json."""

import atexit
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from strive.cli.options import Common

if TYPE_CHECKING:
    from strive.cli.live import Watch
    from strive.cli.pinned import Pinned

PLAIN_EVERY_S = 30.0
BAR_EVERY_S = 0.25


class Output:
    """Implements the stages' `Reporter` for a terminal, a pipe or a JSON reader."""

    def __init__(self, command: str, options: Common) -> None:
        self.command, self.options = command, options
        self.started = time.monotonic()
        self.tty = can_redraw() and not options.json and not options.quiet
        self.warned, self.last_warning = 0, ""
        self._bar: Any = None
        self._task: Any = None
        self._watch: Watch | None = None  # the training run that is going on
        self._pinned: Pinned | None = None  # its view on a terminal
        self._stage, self._stage_started, self._last = "", self.started, 0.0
        self._seen = self.started  # when something was last heard: the next stage's first item began no earlier
        self._done_at_start = 0

    def talk(self, text: str) -> None:
        """A line on stderr, escaped; nothing with --quiet."""
        if not self.options.quiet:
            self._above(printable(text))

    def plan(self, lines: list[str]) -> None:
        """The plan, before any work."""
        for line in lines:
            self.talk(line)

    def info(self, text: str) -> None:
        """One line of talk."""
        self.talk(text)

    def warn(self, text: str) -> None:
        """One line now, and counted at the end."""
        self.warned, self.last_warning = self.warned + 1, text
        self.talk(f"warning: {text}")

    def metrics(self, row: dict[str, Any]) -> None:
        """One training step: a row of the live table; without a terminal, a plain line each 30 s."""
        if self.options.quiet:
            return
        watch = self._watching(is_new=lambda watch: bool(watch.rows) and row["step"] <= watch.step)
        watch.add(row)
        if not self.tty and (len(watch.rows) == 1 or time.monotonic() - self._last >= PLAIN_EVERY_S):
            self._last = time.monotonic()
            self._above(watch.plain())

    def rollout(self, line: Mapping[str, Any]) -> None:
        """A step's best rollout, a line of rollouts.jsonl: shown with --verbose beside the step."""
        if self.options.verbose and not self.options.quiet:
            self._watching().show_best(line)

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
        """A bar, or the live table of a training run; elsewhere one plain line each 30 s and at the end of a stage."""
        now, is_training = time.monotonic(), stage == "train"
        if is_training and not self.options.quiet:
            self._watching(is_new=lambda watch: done < watch.step).reached(done, total, failed)
        elif self._watch is not None and self._watch.is_going_on():
            self._watch.beside = f"{stage} {done + failed}/{total}"
        over = done + (0 if is_training else failed)  # what failed in training are questions, not steps
        if stage != self._stage:
            self._begin(stage, over, now)
        self._seen = now
        rate = (over - self._done_at_start) / max(now - self._stage_started, 1e-9)
        eta = duration((total - over) / rate) if rate > 0 else "?"
        is_due = over >= total or now - self._last >= (BAR_EVERY_S if self.tty else PLAIN_EVERY_S)
        if self.options.quiet or not is_due or self._pinned is not None or (is_training and over < total):
            return
        self._last = now
        if self.tty:
            self._show_bar(stage, over, total, f"failed {failed}  {rate:.1f}/s  eta {eta}  {printable(current)[:28]}")
            if over >= total:  # what comes next, such as a model that loads, is not this stage
                self.close_bar()
        else:
            self.talk(f"{stage} {over}/{total} done={done} failed={failed} rate={rate:.1f}/s eta={eta}")

    def result(self, fields: dict[str, Any], *, status: str, lines: list[str]) -> None:
        """The command's result: lines for people, or the one JSON object."""
        self.close_bar()
        if self.warned > 1 and not self.options.quiet:
            self.talk(f"{self.warned} warnings; the last: {self.last_warning}")
        if self.options.json:
            print_json(self.command, status, fields, time.monotonic() - self.started)
        else:
            for line in lines:
                sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()

    def close_bar(self) -> None:
        """End what is drawn: a bar goes, the last state of a training run stays."""
        if self._bar is not None:
            self._bar.stop()
        if self._pinned is not None:
            self._pinned.end()
        self._bar = self._pinned = self._watch = None
        SHOWN.discard(self)

    def _begin(self, stage: str, at: int, now: float) -> None:
        """Another stage than before: its own bar, its own clock."""
        if stage != "train" and (self._watch is None or not self._watch.is_going_on()):
            self.close_bar()
        self._stage, self._stage_started, self._done_at_start, self._last = stage, self._seen, max(at - 1, 0), now

    def _watching(self, is_new: Callable[["Watch"], bool] = lambda watch: False) -> "Watch":
        """The run that is going on, drawn where there is a terminal; another one when what was seen `is_new` to it."""
        if self._watch is None or is_new(self._watch):
            from strive.cli.live import Watch

            self.close_bar()
            self._watch = Watch()
        if self.tty and self._pinned is None:
            from strive.cli.pinned import Pinned

            self._pinned = Pinned(self._watch)
            self._pinned.start(refresh=True)
            SHOWN.add(self)
        return self._watch

    def _above(self, text: str) -> None:
        if self._pinned is not None:
            self._pinned.say(text)
        elif self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _show_bar(self, stage: str, over: int, total: int, note: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        if self._bar is None:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[note]}", markup=False),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
            self._task = self._bar.add_task(stage, total=total, note="")
            self._bar.start()
            SHOWN.add(self)
        self._bar.update(self._task, completed=over, total=total, note=f"{over}/{total}  {note}")


SHOWN: set[Output] = set()
"""Those that hold the terminal: it must be given back before anybody else writes to it."""


@atexit.register
def close_displays() -> None:
    """Give the terminal back: call it before writing to stderr past an `Output`."""
    for output in tuple(SHOWN):
        output.close_bar()


def can_redraw() -> bool:
    """Whether stderr is a terminal that can go back over its lines, and a person's."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") and not os.environ.get("CI")


def print_json(command: str, status: str, fields: dict[str, Any], seconds: float) -> None:
    """The JSON object of design: the shared fields first, the command's own after them."""
    base: dict[str, Any] = {
        "command": command,
        "status": status,
        "done": 0,
        "cached": 0,
        "failed": [],
        "seconds": round(seconds, 3),
        "outputs": {},
    }
    text = json.dumps({**base, **fields}, ensure_ascii=False, default=str)
    # Control characters beyond ASCII could drive a terminal, and a name that is not UTF-8 cannot be encoded.
    if not text.isprintable():
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write(text + "\n")


def printable(text: str) -> str:
    """Control characters made visible, so that a file name or a reply cannot drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def number(value: Any) -> str:
    """A figure short enough for a line."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as 45 s, 3 min 51 s, 2 h 05 min."""
    whole = int(round(seconds))
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Bytes in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"

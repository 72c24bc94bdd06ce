"""The only printer: results on stdout, talk on stderr, one JSON object with --json."""

import json
import sys
import time
from typing import Any

from strive.cli.options import Common

PLAIN_EVERY_S = 30.0
BAR_EVERY_S = 0.1


class Output:
    """Implements the stages' `Reporter` for a terminal, a pipe or a JSON reader."""

    def __init__(self, command: str, options: Common) -> None:
        self.command, self.options = command, options
        self.started = time.monotonic()
        self.tty = sys.stderr.isatty() and not options.json and not options.quiet
        self.warnings: list[str] = []
        self._bar: Any = None
        self._task: Any = None
        self._stage, self._stage_started, self._last = "", self.started, 0.0
        self._seen = self.started  # when something was last heard: the next stage's first item began no earlier
        self._done_at_start = 0

    def talk(self, text: str) -> None:
        """A line on stderr, escaped; nothing with --quiet."""
        if not self.options.quiet:
            self._above_bar(printable(text))

    def plan(self, lines: list[str]) -> None:
        """The plan, before any work."""
        for line in lines:
            self.talk(line)

    def info(self, text: str) -> None:
        """One line of talk."""
        self.talk(text)

    def warn(self, text: str) -> None:
        """One line now, and counted at the end."""
        self.warnings.append(text)
        self.talk(f"warning: {text}")

    def metrics(self, row: dict[str, Any]) -> None:
        """One training step as a line; a bar would hide the numbers that people watch."""
        if self.options.quiet:
            return
        names = ("step", "reward_mean", "accuracy", "format_rate", "frac_zero_std", "loss", "step_s")
        shown = "  ".join(f"{n}={number(row[n])}" for n in names if n in row)
        if self.tty or time.monotonic() - self._last > PLAIN_EVERY_S:
            self._last = time.monotonic()
            self._above_bar(f"train {shown}")

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
        """A bar on a terminal; elsewhere one plain line each 30 s and at the end of a stage."""
        now = time.monotonic()
        if stage != self._stage:
            self.close_bar()
            self._stage, self._stage_started, self._done_at_start = stage, self._seen, max(done + failed - 1, 0)
            self._last = now
        self._seen = now
        last = done + failed >= total
        rate = (done + failed - self._done_at_start) / max(now - self._stage_started, 1e-9)
        eta = duration((total - done - failed) / rate) if rate > 0 else "?"
        if self.tty:
            if last or now - self._last >= BAR_EVERY_S:
                self._last = now
                self._show_bar(stage, done, total, failed, rate, eta, current)
        elif not self.options.quiet and (last or now - self._last >= PLAIN_EVERY_S):
            self._last = now
            self.talk(f"{stage} {done + failed}/{total} done={done} failed={failed} rate={rate:.1f}/s eta={eta}")

    def result(self, fields: dict[str, Any], *, status: str, lines: list[str]) -> None:
        """The command's result: lines for people, or the one JSON object."""
        self.close_bar()
        if self.warnings and not self.options.quiet and len(self.warnings) > 1:
            self.talk(f"{len(self.warnings)} warnings; the last: {self.warnings[-1]}")
        if self.options.json:
            print_json(self.command, status, fields, time.monotonic() - self.started)
        else:
            for line in lines:
                sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()

    def close_bar(self) -> None:
        """End the bar, if one is shown."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _above_bar(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _show_bar(self, stage: str, done: int, total: int, failed: int, rate: float, eta: str, current: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        if self._bar is None:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[note]}", markup=False),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(stage, total=total, note="")
            self._bar.start()
        note = f"{done + failed}/{total}  failed {failed}  {rate:.1f}/s  eta {eta}  {printable(current)[:28]}"
        self._bar.update(self._task, completed=done + failed, total=total, note=note)


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
    sys.stdout.write(json.dumps({**base, **fields}, ensure_ascii=False, default=str) + "\n")


def printable(text: str) -> str:
    """Control characters made visible, so that a file name or a reply cannot drive the terminal."""
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

"""What a training run looks like on a terminal: the last steps as a table, how far it is, what it costs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rich.text import Text

from strive.cli.output import duration, number, printable, size

ROWS = 8
"""Steps shown where the terminal has the lines."""
LINES_BESIDE = 8
"""Lines of the terminal that are left to the head, the foot and what was said before."""
RECENT = 20
"""Steps that the time to go is estimated from."""
STEP_WIDTH = 6


@dataclass(frozen=True)
class Column:
    """A figure of the table: the metric, its title, the characters it takes, digits after the point."""

    metric: str
    title: str
    width: int
    digits: int = 3


COLUMNS = (
    Column("reward_mean", "reward", 8), Column("accuracy", "acc", 7), Column("frac_zero_std", "zero-var", 10, 2),
    Column("kl", "KL", 8), Column("entropy", "entropy", 9), Column("completion_len_mean", "length", 8, 1),
    Column("grad_norm", "grad", 8), Column("tokens_per_s", "tok/s", 7, 0), Column("step_s", "s/step", 8, 2),
    Column("loss", "loss", 9), Column("format_rate", "format", 8), Column("truncated_rate", "cut off", 9, 2),
    Column("clip_frac", "clipped", 9), Column("lr", "lr", 7),
)
"""In the order in which they are shown."""
FIRST = ("reward_mean", "accuracy", "frac_zero_std", "step_s", "tokens_per_s", "completion_len_mean", "grad_norm", "kl",
         "entropy", "loss", "format_rate", "truncated_rate", "clip_frac", "lr")
"""In the order in which they get the room there is."""


def fitting(width: int) -> list[Column]:
    """The columns that fit into `width` characters beside the step."""
    room, chosen = width - STEP_WIDTH, set()
    for name in FIRST:
        column = next(column for column in COLUMNS if column.metric == name)
        if column.width > room:
            break
        room -= column.width
        chosen.add(name)
    return [column for column in COLUMNS if column.metric in chosen]


def short(value: Any, width: int, digits: int) -> str:
    """A figure in fewer than `width` characters; – for none, powers of ten for what the digits cannot show."""
    if not isinstance(value, int | float):
        return "–"
    for places in range(digits, -1, -1):
        text = f"{value:.{places}f}"
        if value and float(text) == 0:
            break
        if len(text) < width:
            return text
    return f"{value:.0e}"


def tokens_per_s(row: Mapping[str, Any]) -> float | None:
    """Prompt and completion tokens of the step a second, where the row has them."""
    if not row.get("step_s") or row.get("prompt_tokens") is None or row.get("completion_tokens") is None:
        return None
    return float((row["prompt_tokens"] + row["completion_tokens"]) / row["step_s"])


class Watch:
    """What is known of the run so far, and how it looks in a given number of columns and lines.

    Rows are replaced, never changed, so that another thread may draw at any time.
    """

    def __init__(self, now: float | None = None) -> None:
        self.rows: tuple[Mapping[str, Any], ...] = ()
        self.paces: tuple[float, ...] = ()  # seconds from row to row, newest last
        self.step, self.total, self.failed = 0, 0, 0
        self.began = self.last = time.monotonic() if now is None else now
        self.evaluated, self.beside = "", ""
        self.best: tuple[str, str] | None = None  # what it is, its reply
        self.is_over = False

    def reached(self, step: int, total: int, failed: int) -> None:
        """How far it is; `failed` questions are left out."""
        self.step, self.total, self.failed = step, total, failed

    def is_going_on(self) -> bool:
        """Whether steps are still to come."""
        return not self.total or self.step < self.total

    def add(self, row: Mapping[str, Any], now: float | None = None) -> None:
        """A step is done. What lies between two rows (a checkpoint, an evaluation) is part of the pace."""
        now = time.monotonic() if now is None else now
        between = now - self.last if self.rows else 0.0
        self.paces = (*self.paces[-RECENT + 1 :], max(between, float(row.get("step_s") or 0.0)))
        self.rows = (*self.rows[-ROWS + 1 :], {**row, "tokens_per_s": tokens_per_s(row)})
        self.step, self.last, self.beside = int(row["step"]), now, ""
        if row.get("eval_accuracy") is not None:
            self.evaluated = f"eval accuracy {row['eval_accuracy']:.3f} after step {row['step']}"

    def remaining(self) -> str:
        """The time to go at the pace of the last steps, "?" before the first."""
        return duration((self.total - self.step) * fmean(self.paces)) if self.paces and self.total else "?"

    def plain(self) -> str:
        """The last step on one line, for a log."""
        row = self.rows[-1]
        names = ("reward_mean", "accuracy", "format_rate", "frac_zero_std", "loss", "step_s", "tokens_per_s")
        shown = [f"{name}={number(row[name])}" for name in names if row.get(name) is not None]
        eta = [f"eta={self.remaining()}"] if self.total else []
        return "  ".join([f"train step={self.step}", *shown, *eta, *([self._reply(200)] if self.best else [])])

    def lines(self, width: int, height: int, now: float | None = None) -> list[Text]:
        """The whole view, each line shorter than `width`: the table, the bar, the line of the moment."""
        room = max(width - 1, 1)  # a line that fills the last column would wrap when the window gets narrower
        shown = self.rows[-max(1, min(ROWS, height - LINES_BESIDE)) :]
        made = self._table(fitting(room), shown) if shown else []
        moment = self._moment(time.monotonic() if now is None else now)
        made += [self._bar(room), *([moment] if moment.plain.strip() else [])]
        made += [Text(f" {self._reply(room - 1)}", style="dim")] if self.best else []
        for line in made:
            line.truncate(room, overflow="ellipsis")
        return made

    def _table(self, columns: list[Column], rows: tuple[Mapping[str, Any], ...]) -> list[Text]:
        head = "step".rjust(STEP_WIDTH) + "".join(column.title.rjust(column.width) for column in columns)
        made = [Text(head, style="bold")]
        for row in rows:
            skipped = bool(row.get("skipped"))
            cells = [short(row.get(column.metric), column.width, column.digits).rjust(column.width)
                     for column in columns]
            number = f"{'!' if skipped else ''}{row['step']}".rjust(STEP_WIDTH)
            made.append(Text(number + "".join(cells), style="red" if skipped else ""))
        return made

    def _bar(self, room: int) -> Text:
        """How far it is; the parts keep their places while their figures change, the bar gets what they leave."""
        last = self.rows[-1] if self.rows else {}
        beside = f"step {self.step}/{self.total or '?'}".ljust(len(f"step {self.total}/{self.total}"))
        more = [f"eta {self.remaining():<11}" if self.is_going_on() else f"took {duration(self.last - self.began)}"]
        if "encoder_calls" in last:
            more.append(f"encoder calls {last['encoder_calls']}")
        more += [f"{name} {size(last[key])}" for name, key in (("GPU", "peak_gpu_bytes"), ("mem", "peak_rss_bytes"))
                 if last.get(key)]
        for part in more:
            if len(beside) + len(part) + 13 <= room:
                beside += f"  {part}"
        length = max(min(room - len(beside) - 3, 40), 0)
        full = round(length * self.step / self.total) if self.total else 0
        return Text.assemble(" ", ("━" * full, "green"), ("─" * (length - full), "dim"), "  ", beside)

    def _moment(self, now: float) -> Text:
        parts, spent = [], now - self.last
        if not self.is_over and self.is_going_on():
            doing = self.beside or f"step {self.step + 1}"
            parts.append(f"now: {doing}, {duration(spent)}" if spent > 10 else f"now: {doing}")
        parts += [self.evaluated] if self.evaluated else []
        parts += [f"{self.failed} left out"] if self.failed else []
        return Text(" " + "   ".join(parts), style="dim")

    def show_best(self, rollout: Mapping[str, Any]) -> None:
        """The best reply of the step that is reported next; `rollout` is a line of rollouts.jsonl."""
        reply = printable(" ".join(str(rollout["reply"]).split()))
        self.best = f"best: {printable(str(rollout['id']))[:20]}  {short(rollout['reward'], 8, 3)}  ", reply

    def _reply(self, room: int) -> str:
        """The best reply in `room` characters: its beginning and, since the answer stands there, its end."""
        about, reply = self.best or ("", "")
        space = max(room - len(about), 10)
        if len(reply) > space:
            half = (space - 3) // 2
            reply = f"{reply[:half].rstrip()} … {reply[-half:].lstrip()}"
        return about + reply

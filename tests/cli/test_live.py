"""The live view of a training run: what it shows, that it fits, that it stays calm and gives the terminal back."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from strive.cli.live import COLUMNS, Watch, fitting, short, tokens_per_s
from strive.cli.options import Common
from strive.cli.output import Output
from strive.cli.pinned import Pinned

SCRIPT = """
import sys, time
from strive.cli.options import Common
from strive.cli.output import Output, close_displays
out = Output("train", Common(verbose=True))
out.progress("train", 0, 100)
for step in range(1, 101):
    if step == 50:
        out.warn("a warning")
        print("a stray print", file=sys.stderr)
    out.rollout({"id": "q1", "reward": 1.0, "reply": "<think>so</think> <answer>B</answer>"})
    out.metrics({"step": step, "reward_mean": step / 100, "prompt_tokens": 900, "completion_tokens": 100,
                 "step_s": 0.02, "encoder_calls": 8, "peak_rss_bytes": 1 << 30, "skipped": int(step == 99)})
    out.progress("train", step, 100)
    time.sleep(0.02)
if sys.argv[1] == "fails":
    close_displays()
    sys.exit("error: stopped")
out.result({}, status="ok", lines=["train: done"])
"""


class Screen:
    """The little of a terminal that the view uses, with lines that wrap and are wrapped anew by another width."""

    def __init__(self, width: int) -> None:
        self.lines, self.at, self.width = [""], 0, width
        self.column, self.cursor_shown = 0, True

    def feed(self, text: str) -> "Screen":
        for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\r\n\x1b]+", text):
            self._take(part)
        return self

    def _take(self, part: str) -> None:
        if part == "\r":
            self.column = 0
        elif part == "\n":
            self._down()
            self.column = 0
        elif part == "\x1b[1A":
            self.at = max(self.at - 1, 0)
        elif part == "\x1b[2K":
            self.lines[self.at] = ""
        elif part in ("\x1b[?25l", "\x1b[?25h"):
            self.cursor_shown = part.endswith("h")
        elif not part.startswith("\x1b"):
            for character in part:
                if self.column == self.width:
                    self._down()
                    self.column = 0
                line = self.lines[self.at].ljust(self.column)
                self.lines[self.at] = line[: self.column] + character + line[self.column + 1 :]
                self.column += 1
        else:
            assert part.endswith("m"), part

    def _down(self) -> None:
        self.at += 1
        if self.at == len(self.lines):
            self.lines.append("")

    def narrow(self, width: int) -> None:
        """What terminals do when the window gets narrower: long lines become several, the cursor stays behind its."""
        pieces = [[line[i : i + width] for i in range(0, max(len(line), 1), width)] for line in self.lines]
        self.at = sum(len(p) for p in pieces[: self.at + 1]) - 1
        self.lines, self.width = [piece for p in pieces for piece in p], width
        self.column = len(self.lines[self.at])


def row(step: int, **more: Any) -> dict[str, Any]:
    figures = {"reward_mean": 0.625, "accuracy": 0.5, "frac_zero_std": 0.25, "kl": None, "entropy": 0.443,
               "completion_len_mean": 118.4, "grad_norm": 3.539, "step_s": 2.0, "prompt_tokens": 9000,
               "completion_tokens": 1000, "encoder_calls": 8, "peak_rss_bytes": 1 << 30}
    return {"step": step, **figures, **more}


def watched(count: int, total: int = 100, **more: Any) -> Watch:
    watch = Watch(now=0.0)
    for step in range(1, count + 1):
        watch.add(row(step, **more), now=4.0 * step)
        watch.reached(step, total, 0)
    return watch


def shown(watch: Watch, width: int = 80, height: int = 24, now: float = 0.0) -> list[str]:
    return [line.plain for line in watch.lines(width, height, now)]


def test_eighty_columns_hold_the_figures_that_people_watch() -> None:
    head, *rows, bar, moment = shown(watched(20), now=95.0)
    assert head.split() == ["step", "reward", "acc", "zero-var", "KL", "entropy", "length", "grad", "tok/s", "s/step"]
    assert len(rows) == 8 and rows[-1].split() == [
        "20", "0.625", "0.500", "0.25", "–", "0.443", "118.4", "3.539", "5000", "2.00"]
    assert "step 20/100" in bar and "eta 5 min 12 s" in bar  # rows came every 4 s, the first after its own 2 s
    assert "encoder calls 8" in bar and "mem 1.0 GiB" in bar and moment == " now: step 21, 15 s"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("height", [6, 24, 50])
def test_every_line_is_shorter_than_the_terminal_whatever_the_figures(width: int, height: int) -> None:
    watch = watched(20, 123456, grad_norm=-3.4e38, kl=1e-12, entropy=123456.789, lr=1e-6, peak_gpu_bytes=3 << 40,
                    eval_accuracy=0.5)
    watch.show_best({"id": "視頻" * 20, "reward": None, "reply": "這個\x1b[2J" * 80})
    lines = watch.lines(width, height, 1e6)
    assert all(line.cell_len < width for line in lines)
    assert len(lines) <= max(height - 3, 5) and not any("\x1b" in line.plain for line in lines)


def test_a_wider_terminal_shows_more_and_a_narrow_one_keeps_what_matters_most() -> None:
    assert [c.metric for c in fitting(30)] == ["reward_mean", "accuracy"]
    assert set(fitting(79)) < set(fitting(119)) < set(fitting(200)) == set(COLUMNS)
    assert len(shown(watched(20), height=12)) == 4 + 3


@pytest.mark.parametrize("value, text", [
    (0.625, "0.625"), (0, "0.000"), (1e-5, "1e-05"), (-1e-5, "-1e-05"), (123.4567, "123.457"), (12345.678, "12345.7"),
    (9999999.0, "9999999"), (1e9, "1e+09"), (None, "–"), ("x", "–")])
def test_a_figure_keeps_to_its_room(value: Any, text: str) -> None:
    assert short(value, 8, 3) == text and len(text) < 8


def test_tokens_a_second_count_prompts_and_completions_and_need_both() -> None:
    assert tokens_per_s({"prompt_tokens": 900, "completion_tokens": 100, "step_s": 2.0}) == 500
    assert tokens_per_s({"completion_tokens": 100, "step_s": 2.0}) is None
    assert tokens_per_s({"prompt_tokens": 1, "completion_tokens": 1, "step_s": 0.0}) is None


def test_the_time_to_go_follows_the_last_steps() -> None:
    watch = watched(3, 103)
    for step in range(4, 24):
        watch.add(row(step), now=12.0 + 9.0 * (step - 3))
    assert watch.remaining() == "12 min 00 s"  # 80 steps of 9 s: the quick ones at the beginning no longer count
    assert Watch().remaining() == "?"


def test_a_step_that_updated_nothing_is_marked_and_the_newest_evaluation_stays() -> None:
    watch = watched(2)
    watch.add(row(3, skipped=1, loss=None, eval_accuracy=0.75))
    watch.add(row(4))
    *_, before, last, _, moment = shown(watch)
    assert before.split()[0] == "!3" and last.split()[0] == "4"
    assert "eval accuracy 0.750 after step 3" in moment


def test_a_narrower_window_leaves_no_pieces_of_the_old_view() -> None:
    file = StringIO()
    console = Console(file=file, force_terminal=True, width=130, height=40, color_system=None)
    pinned, screen = Pinned(watched(20), console), Screen(130)
    pinned.auto_refresh = False
    pinned.start(refresh=True)
    pinned.say("said before")
    screen.feed(file.getvalue())
    screen.narrow(60)
    file.seek(0)
    file.truncate()
    console.width = 60
    pinned.say("said after")
    pinned.end()
    lines = [line.rstrip() for line in screen.feed(file.getvalue()).lines]
    view = [line.rstrip() for line in shown(pinned.watch, 60, 40)]
    assert lines[:2] == ["said before", "said after"] and lines[2 : 2 + len(view)] == view
    assert not any(lines[2 + len(view) :])


def in_terminal(how: str, **env: str) -> tuple[int, str, float]:
    """The script on a terminal of 80 × 24: exit code, all that it wrote, seconds."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("CI", "COLUMNS", "LINES", "NO_COLOR")}
    began, said = time.monotonic(), b""
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, how], stdin=follower, stdout=follower, stderr=follower,
                             env={**clean, "TERM": "xterm-256color", **env})
    os.close(follower)
    try:
        while part := os.read(leader, 1 << 16):
            said += part
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(leader)
    return child.wait(30), said.decode().replace("\r\n", "\n"), time.monotonic() - began


def test_on_a_terminal_the_table_stays_below_all_talk_and_is_drawn_at_most_four_times_a_second() -> None:
    code, said, seconds = in_terminal("ends")
    screen = Screen(80).feed(said)
    assert code == 0 and screen.cursor_shown
    *lines, best, done, end = [line.rstrip() for line in screen.lines]
    assert lines[:2] == ["warning: a warning", "a stray print"]
    assert lines[2].split()[:2] == ["step", "reward"] and [line.split()[0] for line in lines[3:11]] == [
        "93", "94", "95", "96", "97", "98", "!99", "100"]
    assert "step 100/100  took" in lines[11] and best.endswith("<think>so</think> <answer>B</answer>")
    assert (done, end) == ("train: done", "")
    assert 3 <= len(re.findall(r"step \d+/", said)) <= 4 * seconds + 4  # begin, end and what was said draw too


def test_an_error_comes_below_the_last_state_and_the_cursor_comes_back() -> None:
    code, said, _ = in_terminal("fails")
    screen = Screen(80).feed(said)
    lines = [line for line in screen.lines if line.strip()]
    assert code == 1 and screen.cursor_shown and lines[-1] == "error: stopped" and "step 100/100" in lines[-3]


def test_a_terminal_that_cannot_redraw_gets_plain_lines() -> None:
    for env in ({"TERM": "dumb"}, {"CI": "true"}):
        code, said, _ = in_terminal("ends", **env)
        assert code == 0 and "\x1b" not in said
        assert said.splitlines()[0].startswith("train step=1  reward_mean=0.01  ") and "eta=" in said
        assert len(said.splitlines()) <= 6


def test_without_a_terminal_there_is_a_plain_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    out = Output("train", Common())
    for step in range(1, 21):
        now[0] += 10
        out.metrics(row(step))
        out.progress("train", step, 20, failed=3)
    said = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in said[:-1]] == [f"train step={step}" for step in (1, 4, 7, 10, 13, 16, 19)]
    assert "tokens_per_s=5000" in said[1] and "eta=" in said[1] and said[-1].startswith("train 20/20 done=20")


def test_with_quiet_nothing_and_with_json_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (Common(quiet=True, json=True, verbose=True), Common(quiet=True), Common(json=True)):
        out = Output("train", options)
        out.metrics(row(1))
        out.rollout({"id": "q", "reward": 1.0, "reply": "a"})
        out.progress("train", 1, 1)
        out.result({"done": 1}, status="ok", lines=["train: done"])
        said = capsys.readouterr()
        assert bool(said.err) != options.quiet
        assert json.loads(said.out)["done"] == 1 if options.json else said.out == "train: done\n"


def test_a_second_run_of_the_same_command_starts_with_an_empty_table() -> None:
    out = Output("compare", Common())
    for _ in range(2):
        out.metrics(row(1))
        out.progress("train", 1, 2)
        out.metrics(row(2))
        out.progress("train", 2, 2)
        assert out._watch is not None and [r["step"] for r in out._watch.rows] == [1, 2]

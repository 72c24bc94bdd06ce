"""Reads .srt subtitles, and gives the captions that are on screen at the times of shown frames."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape

MAX_BYTES = 16 * 1024**2
STAMP = r"(\d{1,3}):(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
TIMES = re.compile(rf"{STAMP}\s*-->\s*{STAMP}")
TAG = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}")


@dataclass(frozen=True)
class Caption:
    """`text`, one line, is on screen from `start` to `end`, seconds."""

    start: float
    end: float
    text: str


def read_srt(data: bytes) -> list[Caption]:
    """The captions in time order. Blocks without readable times or without text are left out."""
    text = data[:MAX_BYTES].decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    found = [caption for block in re.split(r"\n[ \t]*\n", text) if (caption := caption_of(block))]
    return sorted(found, key=lambda caption: caption.start)


def caption_of(block: str) -> Caption | None:
    """One block: a number, the times, the lines said."""
    times = TIMES.search(block)
    if times is None:
        return None
    start, end = seconds(times.groups()[:4]), seconds(times.groups()[4:])
    text = " ".join(unescape(TAG.sub("", block[times.end():].partition("\n")[2])).split())
    return Caption(start, end, text) if text and end >= start else None


def seconds(parts: Sequence[str]) -> float:
    """Hours, minutes, seconds, thousandths."""
    hours, minutes, whole, fraction = parts
    return int(hours) * 3600 + int(minutes) * 60 + int(whole) + int(fraction.ljust(3, "0")) / 1000


def on_screen(captions: Sequence[Caption], times: Sequence[float]) -> str:
    """The captions shown at any of these times (seconds), in order, a line each and each text once; "" for none."""
    shown = (one.text for one in captions if any(one.start <= time <= one.end for time in times))
    return "\n".join(dict.fromkeys(shown))

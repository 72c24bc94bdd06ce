"""Text and colours that the pictures of this room share."""

import math
import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

INK, MUTED, FAINT, LINE, PAPER, PANEL = "#1c2430", "#5c6773", "#8d96a0", "#d9dde2", "#ffffff", "#f5f6f8"
WARN = "#9a3412"
SERIES = ("#1f6fb2", "#d9730d", "#12806a", "#a8438f", "#6b5bd0", "#8a6d00", "#c2383a", "#4b6472")


def series_colour(number: int) -> str:
    """The colour of variant or run `number`; the list repeats after eight."""
    return SERIES[number % len(SERIES)]


@lru_cache(maxsize=32)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans as matplotlib ships it (no system font is needed), `size` in pixels."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def clean(text: str, longest: int = 2000) -> str:
    """`text` on one line without control, escape and direction characters, cut at `longest` characters."""
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def wrap(text: str, width: int, size: int, bold: bool = False, most: int = 20) -> list[str]:
    """`text` as lines of at most `width` pixels; words longer than a line are broken; at most `most` lines."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most:
        count = fitting(rest, width, size, bold)
        space = rest.rfind(" ", 0, count + 1) if count < len(rest) else count
        cut = space if space > 0 else count
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        lines[-1] = lines[-1][: max(1, len(lines[-1]) - 1)].rstrip() + "…"
    return lines


def fitting(text: str, width: int, size: int, bold: bool) -> int:
    """How many leading characters fit into `width` pixels; at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font(size, bold).getlength(text[:middle]) <= width else (low, middle - 1)
    return low


class Pen:
    """Writes lines of text downwards from a point of a picture."""

    def __init__(self, picture: Image.Image, x: int, y: int) -> None:
        self.draw, self.x, self.y = ImageDraw.Draw(picture), x, y

    def write(self, lines: list[str], size: int, colour: str = INK, bold: bool = False) -> None:
        """Draw `lines` one below the other and move down past them."""
        for line in lines:
            self.draw.text((self.x, self.y), line, fill=colour, font=font(size, bold))
            self.y += line_height(size)


def line_height(size: int) -> int:
    """Distance of two base lines, in pixels."""
    return round(size * 1.36)


def clock(seconds: float, digits: int = 1) -> str:
    """Seconds as `m:ss`, with `digits` decimals, hours in front when there are any."""
    if not math.isfinite(seconds):
        return "?"
    whole, part = divmod(round(seconds * 10**digits), 10**digits)
    minutes, secs = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{secs:02d}" + (f".{part:0{digits}d}" if digits else "")

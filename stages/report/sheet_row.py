"""One row of a contact sheet: what was done to a variant, and its frames in order with their true times."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from strive.stages.report.canvas import (
    INK,
    LINE,
    MUTED,
    PAPER,
    WARN,
    Pen,
    clean,
    clock,
    font,
    line_height,
    series_colour,
    wrap,
)

LABEL_WIDTH, GAP, TIME_HEIGHT, MOST_FRAMES = 300, 8, 22, 96
TOLD_ELSEWHERE = ("operator", "sampler", "seed", "frame_size", "tile")
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Row:
    """A variant as the sheet shows it: `frames` uint8 RGB, `times` seconds, `starts` the first frames of clips."""

    number: int
    frames: list[NDArray[np.uint8]]
    times: NDArray[np.float64]
    starts: frozenset[int]
    operators: list[dict[str, Any]]
    sampler: str
    seed: int
    vetoes: list[dict[str, Any]]
    crop: Box | None = None
    whole: NDArray[np.uint8] | None = None  # an uncropped frame, to draw the crop box on
    contrast: bool = False  # rolled out for comparison, never trained on

    @property
    def decimals(self) -> int:
        """Decimals of a second that tell neighbouring frames apart: 1, or 2 where they lie closer than 0.15 s."""
        gaps = np.diff(np.unique(self.times))
        return 2 if len(gaps) and float(gaps.min()) < 0.15 else 1

    def by_clip(self, shown: list[int]) -> list[list[int]]:
        """The shown frames of each clip, without clips of which none is shown."""
        edges = [*sorted(self.starts), len(self.frames)]
        clips = [[i for i in shown if a <= i < b] for a, b in pairwise(edges)]
        return [clip for clip in clips if clip]


def columns(count: int) -> int:
    """Frames side by side: up to eight in one line, more in lines of equal length and at most eleven."""
    if count <= 8:
        return max(count, 4)
    return -(-count // -(-count // 11))


def draw_row(row: Row, width: int) -> Image.Image:
    """The row as a picture `width` pixels wide; its height follows from label and frames."""
    label = draw_label(row)
    grid = draw_grid(row, width - LABEL_WIDTH - 2 * GAP)
    picture = Image.new("RGB", (width, max(label.height, grid.height)), PAPER)
    picture.paste(label, (0, 0))
    picture.paste(grid, (LABEL_WIDTH + 2 * GAP, 0))
    ImageDraw.Draw(picture).rectangle((0, 0, 4, picture.height), fill=series_colour(row.number))
    return picture


def draw_label(row: Row) -> Image.Image:
    """Name, sampler and seed, operators, vetoes with reasons, and for a crop the box on the whole frame."""
    room = LABEL_WIDTH - 18
    parts = [([f"variant {row.number}"], 18, series_colour(row.number), True)]
    if row.contrast:
        parts.append((["contrast: never trained on"], 13, WARN, True))
    clips = f" in {len(row.starts)} clips" if len(row.starts) > 1 else ""
    about = wrap(f"{len(row.times)} frames{clips} · {clean(row.sampler)}", room, 13, most=2)
    parts.append(([*about, f"seed {row.seed}"], 13, MUTED, False))
    for operator in row.operators:
        parts.append((wrap(describe(operator), room, 14, most=3), 14, INK, False))
    for veto in row.vetoes:
        parts.append((wrap(describe_veto(veto), room, 13, most=4), 13, WARN, False))
    preview = crop_preview(row, room)
    text_height = sum(line_height(size) * len(lines) for lines, size, _, _ in parts)
    picture = Image.new("RGB", (LABEL_WIDTH, text_height + (preview.height + 8 if preview else 0)), PAPER)
    pen = Pen(picture, 16, 0)
    for lines, size, colour, bold in parts:
        pen.write(lines, size, colour, bold)
    if preview:
        picture.paste(preview, (16, pen.y + 6))
    return picture


def describe(operator: dict[str, Any]) -> str:
    """`name: key value, key value` of an operator's record."""
    rest = {key: value for key, value in operator.items() if key not in TOLD_ELSEWHERE}
    name = clean(str(operator.get("operator") or "operator"), 60)
    shown = ", ".join(f"{clean(str(key), 30)} {short(value)}" for key, value in rest.items())
    return f"{name}: {shown}" if shown else name


def short(value: Any) -> str:
    """A parameter's value in few characters."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {short(inner)}" for key, inner in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(short(inner) for inner in value) + "]"
    text = clean(str(value), 80)
    return text[:19] if text.startswith("sha256:") else text


def describe_veto(veto: dict[str, Any]) -> str:
    """`vetoed salient_crop: reason`, or `left out` where the operator had nothing to work with."""
    name = clean(str(veto.get("operator") or "operator"), 60)
    reason = clean(str(veto.get("reason", "no reason recorded")), 200)
    return f"{'vetoed' if 'topic' in veto else 'left out'} {name}: {reason}"


def crop_preview(row: Row, room: int) -> Image.Image | None:
    """A whole frame with the crop box on it, what is cut away dimmed; None for an uncropped variant."""
    if row.crop is None or row.whole is None:
        return None
    picture = fit(row.whole, room, 180)
    scale = picture.width / row.whole.shape[1]
    box = tuple(round(edge * scale) for edge in row.crop)
    dimmed = Image.blend(picture, Image.new("RGB", picture.size, PAPER), 0.55)
    dimmed.paste(picture.crop(box), box[:2])
    left, top, right, bottom = box
    outline = (left, top, min(right, picture.width) - 1, min(bottom, picture.height) - 1)
    ImageDraw.Draw(dimmed).rectangle(outline, outline=series_colour(row.number), width=3)
    return dimmed


def draw_grid(row: Row, width: int) -> Image.Image:
    """The frames in reading order, each with its time below; every clip under a caption of its own."""
    shown = shown_frames(len(row.frames))
    clips = row.by_clip(shown) or [[]]
    across = columns(max(map(len, clips)))
    cell = (width - GAP * (across - 1)) // across
    parts = [draw_clip(row, clip, width, cell, across) for clip in clips]
    if len(parts) > 1:
        parts = [captioned(part, caption(row, clip, number)) for number, (part, clip) in
                 enumerate(zip(parts, clips, strict=True), 1)]
    height = sum(part.height for part in parts)
    picture = Image.new("RGB", (width, height + (20 if len(shown) < len(row.frames) else 0)), PAPER)
    top = 0
    for part in parts:
        picture.paste(part, (0, top))
        top += part.height
    if len(shown) < len(row.frames):
        Pen(picture, 0, top).write([f"{len(shown)} of {len(row.frames)} frames shown"], 13, MUTED)
    return picture


def draw_clip(row: Row, clip: list[int], width: int, cell: int, across: int) -> Image.Image:
    """The frames of one clip in lines of `across` cells, `cell` pixels wide."""
    highest = max((round(cell * row.frames[i].shape[0] / row.frames[i].shape[1]) for i in clip), default=cell)
    height = max(8, min(highest, round(cell * 1.2)))
    step = height + TIME_HEIGHT + 4
    picture = Image.new("RGB", (width, max(1, -(-len(clip) // across)) * step), PAPER)
    for place, index in enumerate(clip):
        corner = ((place % across) * (cell + GAP), (place // across) * step)
        draw_cell(picture, row, index, corner, cell, height)
    return picture


def caption(row: Row, clip: list[int], number: int) -> str:
    """`clip 2: 4 frames, 68 × 68 pixels`."""
    height, width = row.frames[clip[0]].shape[:2]
    return f"clip {number}: {len(clip)} frames, {width} × {height} pixels"


def captioned(picture: Image.Image, text: str) -> Image.Image:
    """The picture below a line of small text."""
    whole = Image.new("RGB", (picture.width, picture.height + TIME_HEIGHT), PAPER)
    Pen(whole, 0, 2).write([text], 13, MUTED, True)
    whole.paste(picture, (0, TIME_HEIGHT))
    return whole


def draw_cell(picture: Image.Image, row: Row, index: int, corner: tuple[int, int], cell: int, height: int) -> None:
    """One frame, scaled into its cell, with its presentation time."""
    thumb = fit(row.frames[index], cell, height)
    left, top = corner
    picture.paste(thumb, (left, top))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, left + thumb.width - 1, top + thumb.height - 1), outline=LINE)
    draw.text((left, top + thumb.height + 3), clock(float(row.times[index]), row.decimals), fill=MUTED, font=font(13))


def shown_frames(count: int) -> list[int]:
    """All frames, or `MOST_FRAMES` of them spread evenly when there are more."""
    if count <= MOST_FRAMES:
        return list(range(count))
    return np.unique(np.linspace(0, count - 1, MOST_FRAMES).round().astype(int)).tolist()


def fit(frame: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """`frame` scaled to lie within `width` × `height`, keeping its shape; tiny frames are enlarged without blur."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    how = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    return Image.fromarray(frame).resize(size, how)

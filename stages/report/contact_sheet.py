"""The contact sheet of one bundle: every variant's frames with their true times, over the importance curve."""

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from strive.stages.bundle.reader import Bundle, Variant
from strive.stages.report.canvas import INK, LINE, MUTED, PAPER, Pen, clean, clock, line_height, wrap
from strive.stages.report.sheet_curve import draw_curve
from strive.stages.report.sheet_row import Row, draw_row, short
from strive.stages.tasks.sample import Sample

WIDTH, MARGIN, BETWEEN = 1640, 28, 16


def contact_sheet(bundle: Bundle) -> bytes:
    """A PNG, 1640 pixels wide: question, one row a variant, importance with each variant's frames, answer as footer."""
    inner = WIDTH - 2 * MARGIN
    rows = [draw_row(row, inner) for row in read_rows(bundle)]
    variants = [bundle.variant(k) for k in range(bundle.n_variants)]
    lanes, contrast = [one.times for one in variants], frozenset(range(bundle.n_trained, bundle.n_variants))
    curve = draw_curve(np.asarray(bundle.score_times), np.asarray(bundle.importance), lanes, inner, contrast)
    return png(stack([draw_title(bundle.sample, lanes, inner), *rows, curve, draw_footer(bundle, inner)]))


def read_rows(bundle: Bundle) -> list[Row]:
    """Every variant decoded, with an uncropped frame of about the same time where one is needed."""
    rows = [read_row(bundle.variant(k), k) for k in range(bundle.n_variants)]
    plain = [row for row in rows if len(row.operators) == 1 and len(row.starts) == 1 and not row.contrast]
    whole = [(float(t), f) for row in plain for t, f in zip(row.times, row.frames, strict=True)]
    return [row if row.crop is None or not whole else with_whole(row, whole, bundle) for row in rows]


def read_row(variant: Variant, number: int) -> Row:
    """One variant's frames and records."""
    frames = [frame for clip in variant.clips() for frame in clip]
    starts = frozenset(int(start) for start in variant.clip_bounds[:-1])
    crop = next((tuple(step["box"]) for step in variant.operators if "box" in step), None)
    return Row(number, frames, variant.times, starts, list(variant.operators), variant.sampler, int(variant.seed),
               list(variant.vetoes), crop, contrast=variant.contrast)


def with_whole(row: Row, whole: list[tuple[float, NDArray[np.uint8]]], bundle: Bundle) -> Row:
    """The row with an uncropped frame: the one nearest in time to the row's frame of highest importance."""
    importance = np.interp(row.times, bundle.score_times, bundle.importance)
    focus = float(row.times[int(np.argmax(importance))])
    return replace(row, whole=min(whole, key=lambda pair: abs(pair[0] - focus))[1])


def draw_title(sample: Sample, lanes: list[NDArray[np.float64]], width: int) -> Image.Image:
    """Question, options, and which video."""
    question = wrap(clean(sample.question), width, 24, True, most=4)
    options = wrap(lettered(sample), width, 17, most=6)
    about = f"{clean(sample.id, 120)} · {clean(sample.video, 160)} · {clean(sample.question_type)}"
    picture = Image.new("RGB", (width, title_height(len(question), len(options))), PAPER)
    pen = Pen(picture, 0, 0)
    pen.write(wrap(about, width, 14, most=1), 14, MUTED)
    pen.y += 4
    pen.write(question, 24, INK, True)
    pen.y += 2
    pen.write(options, 17, INK)
    return picture


def title_height(question_lines: int, option_lines: int) -> int:
    return line_height(14) + 6 + line_height(24) * question_lines + line_height(17) * option_lines


def lettered(sample: Sample) -> str:
    """The options on one line, each with its letter."""
    return "    ".join(f"{chr(65 + i)}. {clean(option, 300)}" for i, option in enumerate(sample.options or ()))


def draw_footer(bundle: Bundle, width: int) -> Image.Image:
    """The gold answer, small (nothing that chose frames ever saw it), what was scored, and by whom."""
    times = bundle.score_times
    spread = f"{len(times)} frames scored" + (f", {clock(times[0])} to {clock(times[-1])}" if len(times) else "")
    scorer = ", ".join(f"{clean(str(key), 30)} {short(value)}" for key, value in bundle.scorer.items())
    parts = (f"gold answer: {clean(bundle.sample.answer, 200)}", spread, scorer, f"bundle {bundle.key[:12]}")
    text = "    ·    ".join(parts)
    picture = Image.new("RGB", (width, line_height(13)), PAPER)
    Pen(picture, 0, 0).write(wrap(text, width, 13, most=1), 13, MUTED)
    return picture


def stack(parts: list[Image.Image]) -> Image.Image:
    """The parts below each other with hairlines between them and a margin around."""
    height = 2 * MARGIN + sum(part.height for part in parts) + 2 * BETWEEN * (len(parts) - 1)
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    draw, top = ImageDraw.Draw(picture), MARGIN
    for place, part in enumerate(parts):
        if place:
            draw.line((MARGIN, top - BETWEEN, WIDTH - MARGIN, top - BETWEEN), fill=LINE)
        picture.paste(part, (MARGIN, top))
        top += part.height + 2 * BETWEEN
    return picture


def png(picture: Image.Image) -> bytes:
    """Encoded without metadata."""
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()

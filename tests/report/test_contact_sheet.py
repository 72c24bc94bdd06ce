"""The contact sheet shows every variant's own frames, where they lie, and the answer nowhere but in the footer."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from strive.stages.bundle.reader import Bundle
from strive.stages.report.canvas import clean, clock, font, wrap
from strive.stages.report.contact_sheet import MARGIN, WIDTH, contact_sheet, read_rows
from strive.stages.report.sheet_row import LABEL_WIDTH, MOST_FRAMES, columns, draw_row, shown_frames

Make = Callable[..., Bundle]


def picture_of(bundle: Bundle) -> np.ndarray:
    """The sheet as uint8 [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(contact_sheet(bundle))).convert("RGB"))


def centre_of(picture: np.ndarray, colour: np.ndarray) -> tuple[int, int]:
    """Where the picture has this colour (give or take what JPEG does), as line and column of 10 pixels."""
    rows, columns_ = np.nonzero(np.abs(picture.astype(int) - colour.astype(int)).max(-1) <= 6)
    assert len(rows) > 2000, "a frame of a colour of its own covers some thousand pixels"
    return round(float(np.median(rows)) / 10), round(float(np.median(columns_)) / 10)


@pytest.mark.parametrize("frames", [8, 32])
def test_every_frame_of_every_variant_is_shown_in_order(make_bundle: Make, frames: int) -> None:
    bundle = make_bundle(frames=frames)
    sheet, top = picture_of(bundle), 0
    for row in read_rows(bundle):
        drawn = np.asarray(draw_row(row, WIDTH - 2 * MARGIN))
        inner = sheet[:, MARGIN:-MARGIN]
        starts = [y for y in range(top, len(sheet) - len(drawn)) if (inner[y] == drawn[0]).all()]
        tops = [y for y in starts if (inner[y : y + len(drawn)] == drawn).all()]
        assert len(tops) == 1, "the row stands in the sheet, once, below the row before"
        top = tops[0] + len(drawn)
        shown = np.concatenate(bundle.variant(row.number).clips())
        places = [centre_of(drawn[:, LABEL_WIDTH:], np.median(image, (0, 1))) for image in shown]
        assert places == sorted(places) and len(set(places)) == frames


def test_crop_is_drawn_on_a_whole_frame_and_frames_of_the_variant_are_the_cropped_ones(make_bundle: Make) -> None:
    rows = read_rows(make_bundle())
    cropped = [row for row in rows if row.crop]
    assert len(cropped) == 1 and cropped[0].number == 3
    x0, y0, x1, y1 = cropped[0].crop
    assert cropped[0].frames[0].shape[:2] == (y1 - y0, x1 - x0)
    assert cropped[0].whole is not None and cropped[0].whole.shape[:2] == (64, 96)


def test_gold_answer_appears_in_the_footer_only(make_bundle: Make) -> None:
    first, second = picture_of(make_bundle(answer="A")), picture_of(make_bundle(answer="B"))
    assert first.shape == second.shape
    rows = np.nonzero((first != second).any((1, 2)))[0]
    assert len(rows) and rows.min() > first.shape[0] - 60


def test_same_bundle_gives_the_same_bytes(make_bundle: Make) -> None:
    assert contact_sheet(make_bundle()) == contact_sheet(make_bundle())


def test_vetoes_are_part_of_the_row_of_the_variant_that_lost_the_operator(make_bundle: Make) -> None:
    rows = read_rows(make_bundle(question="How many balls are there?"))
    assert [bool(row.vetoes) for row in rows] == [False, False, False, True]
    assert "count" in rows[3].vetoes[0]["reason"]
    assert rows[3].crop is None


def test_long_and_hostile_questions_are_drawn(make_bundle: Make) -> None:
    question = "\x1b[2J\u202e" + "Why? " * 900 + "字" * 400
    bundle = make_bundle(question=question, sample_id="../../x", options=("y" * 5000, "\n"))
    assert picture_of(bundle).shape[0] < 3000


def test_many_frames_are_thinned_evenly_and_never_silently() -> None:
    chosen = shown_frames(1000)
    assert len(chosen) == MOST_FRAMES and chosen[0] == 0 and chosen[-1] == 999
    assert shown_frames(MOST_FRAMES) == list(range(MOST_FRAMES))


@pytest.mark.parametrize(("count", "expected"), [(1, 4), (8, 8), (16, 8), (32, 11), (64, 11)])
def test_rows_of_frames_are_balanced(count: int, expected: int) -> None:
    assert columns(count) == expected


def test_lines_never_exceed_their_room() -> None:
    for text in ("short", "a longer sentence with several words in it", "w" * 300, "one " + "x" * 200 + " two"):
        lines = wrap(text, 120, 14)
        assert all(font(14).getlength(line) <= 120 for line in lines[:-1])
        assert "".join(lines).replace(" ", "").rstrip("…") in text.replace(" ", "")


def test_control_characters_are_taken_out_of_text() -> None:
    assert clean("a\x1b[31mb\u202ec\nd\x00") == "a[31mbc d"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (3671.25, "1:01:11.2"), (float("nan"), "?")]
)
def test_times_are_written_as_clocks(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_contrast_view_is_marked_and_its_frames_stand_as_they_are_shown(make_bundle: Make) -> None:
    rows = read_rows(make_bundle(contrast=("reverse",)))
    assert [row.contrast for row in rows] == [False, False, False, False, True]
    forward, backward = (np.stack([frame.mean((0, 1)) for frame in rows[k].frames]) for k in (0, 4))
    assert np.allclose(forward[::-1], backward) and rows[0].times.tolist() == rows[4].times.tolist()
    drawn, plain = draw_row(rows[4], WIDTH), draw_row(replace(rows[4], contrast=False), WIDTH)
    assert np.asarray(drawn)[:, :LABEL_WIDTH].tobytes() != np.asarray(plain)[:, :LABEL_WIDTH].tobytes()


def test_each_clip_begins_a_line_of_its_own(make_bundle: Make) -> None:
    bundle = make_bundle(operators=("canonical", "tiers", "crop_append"), tier_pixels=84 * 56,
                         tiers=((0.5, 1), (0.5, 3)))
    for row in read_rows(bundle)[1:3]:
        assert len(row.starts) == 2
        drawn = np.asarray(draw_row(row, WIDTH - 2 * MARGIN))[:, LABEL_WIDTH:]
        clips = [[centre_of(drawn, np.median(row.frames[i], (0, 1))) for i in clip]
                 for clip in row.by_clip(list(range(len(row.frames))))]
        if row.crop is None:
            assert max(line for line, _ in clips[0]) < min(line for line, _ in clips[1])
            assert clips[0][0][1] == clips[1][0][1]


def test_frames_of_several_clips_are_thinned_together(make_bundle: Make) -> None:
    row = read_rows(make_bundle(operators=("crop_append",), count=1))[0]
    assert [len(clip) for clip in row.by_clip(list(range(12)))] == [8, 4]
    assert row.by_clip([9]) == [[9]] and row.decimals == 1

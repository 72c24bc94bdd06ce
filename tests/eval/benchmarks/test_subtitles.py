"""Subtitles are read as they are published, and only what is on screen at a shown time is said."""

from strive.stages.eval.benchmarks.subtitles import Caption, on_screen, read_srt

SRT = (b"\xef\xbb\xbf1\r\n00:00:01,500 --> 00:00:02,000\r\n<font color=\"white\" size=\".72c\">Tom &amp; I</font>\r\n"
       b"went\r\n\r\n2\r\nno times here\r\nlost\r\n\r\n3\r\n01:00:00.000 --> 01:00:01.000\r\n2 < 3\r\n\r\n"
       b"4\r\n00:00:05,000 --> 00:00:06,000\r\n<i></i>\r\n")


def test_marks_line_breaks_and_broken_blocks_are_dealt_with() -> None:
    assert read_srt(SRT) == [Caption(1.5, 2.0, "Tom & I went"), Caption(3600.0, 3601.0, "2 < 3")]
    assert read_srt(b"") == [] and read_srt(b"\xff\xfe nonsense") == []


def test_captions_of_the_shown_times_come_once_in_order() -> None:
    captions = [Caption(0, 1, "a"), Caption(1, 2, "b"), Caption(2, 3, "a"), Caption(9, 10, "late")]
    assert on_screen(captions, [2.5, 0.5, 1.5]) == "a\nb"
    assert on_screen(captions, [5.0]) == ""

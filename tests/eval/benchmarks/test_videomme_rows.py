"""Video-MME's rows and subtitles: captions of shown frames, categories with what is there, the published metrics."""

import shutil
from pathlib import Path

import pytest

from strive.configs.errors import MissingError
from strive.stages.eval.benchmarks import benchmark, rows_of
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published

LAYOUT = Path(__file__).parents[2] / "data" / "layouts" / "videomme"
KIND = rows_of("videomme")


def test_captions_are_those_of_the_shown_times(tmp_path: Path) -> None:
    data = benchmark("videomme_w_subtitle")(LAYOUT, tmp_path)
    assert data.subtitles is not None
    said = {sample.id: data.subtitles(sample, [0.5, 0.6]) for sample in data.samples}
    assert (said["001-1"], said["301-1"], said["601-2"]) == ("", "food line 1", "long line 1")


def test_subtitles_that_were_asked_for_must_be_there(tmp_path: Path) -> None:
    layout = Path(shutil.copytree(LAYOUT, tmp_path / "mme"))
    (layout / "subtitle.zip").unlink()
    with pytest.raises(MissingError, match=r"subtitle\.zip"):
        benchmark("videomme_w_subtitle")(layout, tmp_path)
    assert len(benchmark("videomme")(layout, tmp_path).samples) == 6


def test_a_row_from_anywhere_is_a_question() -> None:
    row = Published("001-2", "videomme", "", "Which?", ["one", "two", "three", "four"], "C")
    assert (KIND.sample(row).answer, KIND.video(row), KIND.categories(row)) == ("C", "001", {})


def test_the_official_denominator_is_what_was_answered() -> None:
    tally = Tally()
    for number, (score, status) in enumerate(((1.0, "ok"), (0.0, "ok"), (0.0, "unparsed"))):
        meta = {"duration": "short", "videoID": f"v{number}"}
        row = Published(str(number), "videomme", "", "?", ["a", "b"], "A", meta)
        tally.add(Verdict(score, status, None), KIND.categories(row), KIND.video(row))
    found = KIND.headline(tally, "official")
    assert (found["overall"], found["answered"], found["short"], found["long"]) == (1 / 3, 0.5, 1 / 3, None)
    assert found["note"] == "3 of 2700 questions"


@pytest.mark.parametrize("name", ["../x", 5, "-aB_c"])
def test_a_row_to_be_graded_may_tell_any_video(name: object) -> None:
    row = Published("001-1", "videomme", "", "?", ["A. x", "B. y"], "A", {"videoID": name})
    assert KIND.video(row) == f"data/{name}.mp4" and KIND.sample(row).answer == "A"

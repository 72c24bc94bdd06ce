"""MMVU in two layouts: choices and open questions, disciplines, what is missing or odd."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks import benchmark, rows_of
from strive.stages.eval.benchmarks.mmvu_disciplines import DISCIPLINES, SUBJECTS
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published

LAYOUT = Path(__file__).parents[2] / "data" / "layouts" / "mmvu"
KIND = rows_of("mmvu")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LAYOUT, tmp_path / "MMVU"))


def read(folder: Path) -> Any:
    return benchmark("mmvu")(folder, folder.parent / "work")


def test_both_layouts_give_the_same_questions(layout: Path) -> None:
    whole, table = read(layout), read(layout / "lmms_lab_layout")
    assert len(whole.samples) == 4 and [vars(s) for s in whole.samples] == [vars(s) for s in table.samples]
    assert all(whole.video_path(sample).is_file() for sample in whole.samples)
    open_one, choice = whole.samples[0], whole.samples[1]
    assert (open_one.question_type, open_one.answer, open_one.options) == ("open", "Dolly Zoom", None)
    assert choice.question_type == "multiple_choice" and len(choice.options or ()) == 5
    assert set(whole.published["validation_1"].options) == set("ABCDE")


def test_twenty_seven_subjects_in_four_disciplines() -> None:
    assert len(DISCIPLINES) == 27 and len(SUBJECTS) == 4


def test_the_headline_says_which_questions_it_is_over() -> None:
    tally = Tally()
    for kind, subject, score in (("multiple-choice", "Art", 1.0), ("multiple-choice", "Chemistry", 0.0),
                                 ("open-ended", "Computer_Science", 0.0)):
        row = Published("1", "mmvu", kind, "q", {}, "A", {"subject": subject})
        tally.add(Verdict(score, "ok", "A"), KIND.categories(row), KIND.video(row))
    found = KIND.headline(tally, "strict")
    assert (found["multiple_choice"], found["open_rule"], found["all"]) == (0.5, 0.0, pytest.approx(1 / 3))
    assert found["discipline_Engineering"] == 0.0 and found["discipline_Humanities_and_Social_Science"] == 1.0
    assert "judge: none" in found["note"] and "2 multiple-choice, 1 open-ended" in found["note"]


def test_what_is_missing_or_odd_has_its_own_words(layout: Path) -> None:
    rows = json.loads((layout / "validation.json").read_text())
    for change, said in (({"video": "https://x/videos/../0.mp4"}, "video"), ({"choices": [1]}, "choices"),
                         ({"answer": "F", "question_type": "multiple-choice"}, "answer 'F'"),
                         ({"question": None}, "question is None")):
        (layout / "validation.json").write_text(json.dumps([rows[0], {**rows[1], **change}]))
        with pytest.raises(UsageError, match="row 2") as refused:
            read(layout)
        assert said in refused.value.what
    (layout / "validation.json").write_text(json.dumps(rows))
    shutil.rmtree(layout / "videos/Art")
    data = read(layout)
    with pytest.raises(ItemError, match=r"0\.mp4"):
        data.video_path(data.samples[0])
    shutil.rmtree(layout / "videos")
    with pytest.raises(MissingError, match="no videos"):
        read(layout)
    (layout / "validation.json").unlink()
    shutil.rmtree(layout / "lmms_lab_layout")
    with pytest.raises(MissingError, match=r"no validation\.json"):
        read(layout)


def test_a_row_may_tell_its_subject_anywhere_or_nowhere() -> None:
    rows = [Published("1", "mmvu", "open-ended", "?", None, "x", {"metadata": told})
            for told in ({"subject": "Art"}, "Art", None)]
    assert ["subject" in rows_of("mmvu").categories(row) for row in rows] == [True, False, False]

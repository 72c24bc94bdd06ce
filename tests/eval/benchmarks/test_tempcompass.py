"""TempCompass in two layouts: options inside questions, captions' labels, aspects, the four tasks' figures."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import MissingError, UsageError
from strive.stages.eval.benchmarks import benchmark, rows_of
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols import judge
from strive.stages.eval.protocols.verdict import UNSCORABLE, Verdict

LAYOUT = Path(__file__).parents[2] / "data" / "layouts" / "tempcompass"
KIND = rows_of("tempcompass")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LAYOUT, tmp_path / "TC"))


def read(folder: Path, name: str = "tempcompass") -> Any:
    return benchmark(name)(folder, folder.parent / "work")


def test_options_are_taken_out_of_the_question_and_video_ids_stay_texts(layout: Path) -> None:
    data = read(layout)
    assert len(data.samples) == 12 and all(data.video_path(sample).is_file() for sample in data.samples)
    found = {sample.id: sample for sample in data.samples}
    choice = found["multi-choice/1034999001/action/0"]
    assert (choice.question, choice.options, choice.answer) == (
        "What is the boy doing?", ("throwing a ball", "kicking a ball", "catching a ball"), "B")
    assert found["yes_no/1034999001/action/0"].question_type == "yes_no"
    assert data.published[choice.id].answer == "B. kicking a ball" and choice.video == "videos/1034999001.mp4"


def test_captions_keep_their_labels(layout: Path) -> None:
    found = {sample.id: sample for sample in read(layout).samples}
    numbered, lettered = (found[f"caption_matching/{name}/0"] for name in
                          ("1034999001/action", "1034999001_reverse/speed"))
    assert numbered.options == ("A boy throws a ball.", "A boy kicks a ball.") and numbered.answer == "B"
    assert numbered.meta["option_labels"] == ["Option 1", "Option 2"]
    assert lettered.meta["option_labels"] == ["Sentence A", "Sentence B"] and lettered.answer == "A"


def test_the_github_layout_gives_the_same_questions_with_their_aspects(layout: Path) -> None:
    tables, github = read(layout), read(layout / "github_layout")
    assert {(s.id, s.answer) for s in tables.samples if "captioning" not in s.id} == {
        (s.id, s.answer) for s in github.samples if "captioning" not in s.id}
    assert github.samples[0].meta["aspect"] == "fine-grained action"


def test_as_video_r1_asks_it_everything_is_multiple_choice(layout: Path) -> None:
    data = read(layout, "tempcompass_video_r1")
    assert len(data.samples) == 12 and {sample.question_type for sample in data.samples} == {"multiple_choice"}
    asked = next(sample for sample in data.samples if sample.id == "yes_no/1034999001/action/0")
    assert (asked.options, asked.answer) == (("yes", "no"), "A")


def test_a_caption_is_scored_by_a_judges_answer_only(layout: Path) -> None:
    row = next(row for row in read(layout).published.values() if row.question_type == "captioning")
    judged = type(row)(**{**vars(row), "meta": {**row.meta, "judge_output": "B. kicking a ball"}})
    silent = type(row)(**{**vars(row), "meta": {**row.meta, "judge_output": ""}})
    assert judge("strict", row, "A boy kicks a ball.").score is None
    assert judge("strict", judged, "A boy kicks a ball.").score == 1.0
    assert (judge("strict", silent, "A boy kicks a ball.").score, judge("official", judged, "x").score) == (0.0, 1.0)


def test_the_headline_averages_the_three_tasks_that_need_no_judge(layout: Path) -> None:
    tally = Tally()
    scores = {"multi-choice": 1.0, "yes_no": 0.5, "caption_matching": 0.0}
    for row in read(layout).published.values():
        status = "ok" if row.question_type != "caption_matching" else "unparsed"
        verdict = Verdict(scores[row.question_type], status) if row.question_type in scores else UNSCORABLE
        tally.add(verdict, KIND.categories(row), KIND.video(row))
    found = KIND.headline(tally, "official")
    assert (found["avg3"], found["micro3"], found["captioning"]) == (0.5, 0.5, None)
    assert found["match_success"] == pytest.approx(6 / 9) and "n/a" in found["note"]


def test_what_is_missing_or_odd_has_its_own_words(layout: Path) -> None:
    questions = layout / "github_layout/questions"
    for odd, said in ((5, "no lists of questions"), ({"v": 5}, "no lists of questions"),
                      ({"v": {"action": [{"question": "Q?\nA. x\nB. y"}]}}, "no column answer"),
                      ({"v": {"action": [{"question": "Q?", "answer": "A. x"}]}}, "no options in the question"),
                      ({"../v": {"action": [{"question": "Q?\nA. x\nB. y", "answer": "A. x"}]}}, "video_id")):
        (questions / "multi-choice.json").write_text(json.dumps(odd))
        with pytest.raises(UsageError) as refused:
            read(layout / "github_layout")
        assert said in refused.value.what
    (layout / "tempcompass_videos.zip").unlink()
    with pytest.raises(MissingError, match="no videos"):
        read(layout)
    with pytest.raises(MissingError, match="no tables"):
        read(layout.parent)

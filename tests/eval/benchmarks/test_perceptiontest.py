"""PerceptionTest in two layouts: cuts, areas by tag, the test split's submission, what is missing or odd."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks import benchmark, rows_of
from strive.stages.eval.benchmarks.perception_areas import AREAS, UNKNOWN, areas_of
from strive.stages.eval.benchmarks.perceptiontest import submission
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols import judge
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published

LAYOUT = Path(__file__).parents[2] / "data" / "layouts" / "perceptiontest"
KIND = rows_of("perceptiontest")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LAYOUT, tmp_path / "PT"))


def read(folder: Path, name: str = "perceptiontest") -> Any:
    return benchmark(name)(folder, folder.parent / "work")


def test_both_layouts_give_the_same_questions(layout: Path) -> None:
    table = read(layout / "PerceptionTest_Val")
    shutil.rmtree(layout / "PerceptionTest_Val/mc_question_val")
    for zipped in (layout / "PerceptionTest_Val").glob("*.zip"):
        shutil.copy(zipped, layout / "deepmind")
    whole = read(layout / "deepmind")
    assert len(table.samples) == 4
    assert [(s.video, s.options, s.answer) for s in table.samples] == [
        (s.video, s.options, s.answer) for s in whole.samples]
    assert all(table.video_path(sample).is_file() for sample in table.samples)
    assert table.samples[0].answer == "C" and table.published["video_90001/0"].answer == "2"


def test_a_published_cut_goes_with_its_questions(layout: Path) -> None:
    cut = {sample.id: sample.meta.get("cut_frame") for sample in read(layout).samples}
    assert cut["video_90001/0"] == cut["video_90001/1"] == 240 and cut["video_90003/3"] is None
    mapping = layout / "deepmind/cut_frame_mapping_valid.json"
    for odd in ('{"video_90001": true}', '{"video_90001": -1}', "[]"):
        mapping.write_text(odd)
        with pytest.raises(UsageError, match="frame numbers"):
            read(layout)


def test_the_test_split_is_read_without_answers_and_makes_a_submission(layout: Path) -> None:
    data = read(layout, "perceptiontest_test")
    row = data.published["video_90001/0"]
    verdict = judge("strict", row, "<answer>B</answer>")
    assert row.answer is None and (verdict.score, verdict.parsed, verdict.counted) == (None, "B", False)
    said = [{**row.to_json(), "parsed": "B"}, {**data.published["video_90001/1"].to_json(), "parsed": None}]
    assert submission(said) == {"video_90001": [{"id": 0, "answer_id": 1, "answer": "moving"}]}
    assert submission([{**row.to_json(), "parsed": "D"}]) == {}


def test_a_question_counts_once_in_each_area_of_its_tags() -> None:
    assert sum(len(tags) for tags in AREAS.values()) == 34
    assert areas_of(["object permanence", "occlusion"]) == ("physics",)
    assert areas_of(["motion", "object counting"]) == ("abstraction", "physics")
    assert areas_of(["juggling"]) == (UNKNOWN,)
    row = Published("v/0", "perceptiontest", "", "q", ["a", "b", "c"], "0",
                    {"tag": ["motion", "object counting", "stability"], "area": "memory", "reasoning": "predictive"})
    tally = Tally()
    tally.add(Verdict(1.0, "ok", "A"), KIND.categories(row), KIND.video(row))
    found = KIND.headline(tally, "strict")
    assert found == {"top1": 1.0, "area_abstraction": 1.0, "area_physics": 1.0}
    assert {name: cell.n for name, cell in tally.tables["tag"].items()} == {
        "motion": 1, "object counting": 1, "stability": 1}


def test_rows_from_elsewhere_need_no_columns_of_the_benchmark() -> None:
    row = Published("7", "perceptiontest", "", "q", ["red", "green", "blue"], 1)
    assert KIND.sample(row).answer == "B" and KIND.video(row) == "7" and dict(KIND.categories(row)) == {}
    assert judge("strict", row, "green").score == 1.0


def test_what_is_missing_or_odd_has_its_own_words(layout: Path) -> None:
    with pytest.raises(MissingError, match="no videos"):
        read(layout / "deepmind")
    with pytest.raises(MissingError, match="no validation"):
        read(layout / "PerceptionTest")
    (layout / "PerceptionTest_Val/videos_chunked_02.zip").unlink()
    data = read(layout)
    with pytest.raises(ItemError, match="video_90003"):
        data.video_path(next(s for s in data.samples if s.id == "video_90003/3"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "no list of questions"),
        ({"video_1": 3}, "no list of questions"),
        ({"video_1": {"mc_question": 5}}, "no list of questions"),
        ({"../x": {"mc_question": [{"id": 0, "question": "q", "options": ["a", "b"], "answer_id": 0}]}}, "video_name"),
        ({"v": {"mc_question": [{"id": 0, "question": "q", "options": "abc", "answer_id": 0}]}}, "options is 'abc'"),
        ({"v": {"mc_question": [{"id": 0, "question": "q", "options": ["a", "b"], "answer_id": 2}]}}, "answer_id '2'"),
        ({"v": {"mc_question": [{"id": 0, "question": "q", "options": ["a", "b"]}]}}, "no column answer_id"),
    ],
)
def test_an_odd_file_is_refused_where_it_is_odd(layout: Path, value: Any, said: str) -> None:
    folder = layout / "deepmind"
    (folder / "videos").mkdir()
    (folder / "mc_question_valid.json").write_text(json.dumps(value))
    with pytest.raises(UsageError) as refused:
        read(folder)
    assert said in refused.value.what

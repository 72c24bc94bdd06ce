"""Video-MMMU's published layouts: tracks, question-only clips, gold answers, what is missing, the knowledge gain."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks import benchmark, is_aside, rows_of
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.benchmarks.videommmu import QUESTION_ONLY
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published

LAYOUT = Path(__file__).parents[2] / "data" / "layouts" / "videommmu"
KIND = rows_of("videommmu")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LAYOUT, tmp_path / "VideoMMMU"))


def read(layout: Path) -> BenchData:
    return benchmark("videommmu")(layout, layout.parent / "work")


def open_row(answer: str) -> Published:
    return Published("Adaptation/test_Math_1", "videommmu", "open", "How much?", [], answer)


def test_tracks_share_questions_ids_but_samples_do_not(layout: Path) -> None:
    data = read(layout)
    assert len({sample.id for sample in data.samples}) == len(data.samples) == 16
    assert [data.published[sample.id].meta["track"] for sample in data.samples[::4]] == [
        "Perception", "Comprehension", "Adaptation", QUESTION_ONLY]
    assert all(data.video_path(sample).is_file() for sample in data.samples)
    assert data.samples[0].video == "Business/validation_Finance_901.mp4" and len(data.samples[0].options or ()) == 14


def test_without_the_question_only_clips_their_questions_are_left_out(layout: Path) -> None:
    (layout / "question_only_videos.zip").unlink()
    assert len(read(layout).samples) == 12


def test_the_github_layout_is_read(layout: Path) -> None:
    samples = read(layout / "github_layout").samples
    assert len(samples) == 8 and samples[0].answer == "7243000" and samples[0].question_type == "numerical"


@pytest.mark.parametrize(("gold", "kind", "answer"), [
    ("7,243,000", "numerical", "7243000"), ("-0.5", "numerical", "-0.5"),
    ("['24/7', '3.429', '3.43]", "numerical", "3.43"),
    ("C", "open", "C"), ("12.97 mL", "open", "12.97 mL"), ("[a, b]", "open", "[a, b]"),
])
def test_open_golds_are_numbers_or_texts(gold: str, kind: str, answer: str) -> None:
    sample = KIND.sample(open_row(gold))
    assert (sample.question_type, sample.answer) == (kind, answer)


def test_a_row_without_a_type_is_multiple_choice_when_it_has_options() -> None:
    row = Published("dev_Biology_3", "videommmu", "", "Which?", ["A. one", "B. two"], "B")
    assert KIND.sample(row).question_type == "multiple_choice" and KIND.sample(row).options == ("one", "two")
    assert KIND.categories(row) == {"discipline": "Science", "subject": "Biology", "question_type": "multiple-choice"}


def test_what_is_missing_is_named(layout: Path) -> None:
    (layout / "Medicine.zip").unlink()
    with pytest.raises(MissingError, match=r"no Medicine\.zip"):
        read(layout)
    (layout / "Medicine").mkdir()
    with pytest.raises(ItemError, match="test_Basic_Medical_Science_910"):
        data = read(layout)
        data.video_path(data.samples[3])
    shutil.rmtree(layout / "Perception")
    with pytest.raises(MissingError, match="in Perception"):
        read(layout)


def test_wrong_columns_ids_and_answers_are_named(layout: Path) -> None:
    path = layout / "Perception" / "test-00000-of-00001.parquet"
    table = pq.read_table(path)
    for column, value, message in (("answer", "Z", "row 1.*'Z'"), ("id", "../x", "row 1.*id"),
                                   ("id", "dev_Biology_903", "twice"), ("id", "dev_Cooking_1", "30 subjects")):
        values = table.column(column).to_pylist()
        place = table.schema.get_field_index(column)
        pq.write_table(table.set_column(place, column, [[value, *values[1:]]]), path)
        with pytest.raises(UsageError, match=message):
            read(layout)
    pq.write_table(table.drop_columns(["options"]), path)
    with pytest.raises(UsageError, match="no column options"):
        read(layout)


def test_the_knowledge_gain_is_measured_and_not_counted_in_overall() -> None:
    tally = Tally()
    for track, scores in (("Perception", (1, 0)), ("Adaptation", (1, 1, 1, 0)), (QUESTION_ONLY, (1, 0, 0, 1))):
        for number, score in enumerate(scores):
            row = Published(f"{track}/dev_Math_{number}", "videommmu", "", "?", ["a", "b"], "A", {"track": track})
            tally.add(Verdict(score, "ok", "A"), KIND.categories(row), KIND.video(row), aside=is_aside(row))
    found = KIND.headline(tally, "strict")
    assert (found["overall"], found["adaptation"], found["comprehension"]) == (4 / 6, 0.75, None)
    assert found["delta_knowledge"] == 0.5 and found["note"] == "6 of 900 questions"


def test_a_row_that_tells_nothing_of_its_video_is_its_own_video() -> None:
    for name, meta in (("", {}), ("..", {}), ("7", {"video_id": "odd"}), ("8", {"video_id": 5})):
        assert KIND.video(Published(name, "videommmu", "open", "?", None, "4", meta)) == name

"""VSI-Bench's published layout, its parts, what is missing or odd, and the macro over eight tasks."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import ItemError, MissingError, UsageError, VerificationError
from strive.stages.eval.benchmarks import benchmark, rows_of
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published

LAYOUT = Path(__file__).parents[2] / "data" / "layouts" / "vsibench"
KIND = rows_of("vsibench")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LAYOUT, tmp_path / "VSI"))


def read(layout: Path, name: str = "vsibench") -> Any:
    return benchmark(name)(layout, layout.parent / "work")


def test_the_parts_add_up_to_the_whole_and_every_video_is_found(layout: Path) -> None:
    whole, debiased, pruned = (read(layout, name) for name in ("vsibench", "vsibench_debiased", "vsibench_pruned"))
    assert (len(whole.samples), len(debiased.samples), len(pruned.samples)) == (5, 4, 1)
    assert {s.id for s in whole.samples} == {s.id for s in debiased.samples} | {s.id for s in pruned.samples}
    assert all(whole.video_path(sample).is_file() for sample in whole.samples)
    number, choice = whole.samples[0], whole.samples[2]
    assert (number.question_type, number.answer, number.meta["metric"]) == ("numerical", "4", "mra")
    assert (choice.question_type, choice.options, choice.answer) == ("multiple_choice", ("left", "right"), "A")
    assert whole.published["2"].options == ["A. left", "B. right"] and whole.bench == "vsibench"


def test_the_two_parts_stand_in_for_the_whole_table(layout: Path) -> None:
    (layout / "test.jsonl").unlink()
    assert len(read(layout).samples) == 5
    (layout / "test_pruned.parquet").unlink()
    with pytest.raises(MissingError, match=r"test_pruned\.parquet"):
        read(layout)


def test_what_is_missing_has_its_own_words(layout: Path) -> None:
    (layout / "scannet.zip").unlink()
    data = read(layout)
    with pytest.raises(ItemError, match="scene9001_00"):
        data.video_path(data.samples[1])
    for name in ("arkitscenes.zip", "scannetpp.zip"):
        (layout / name).unlink()
    with pytest.raises(MissingError, match="no videos"):
        read(layout)
    (layout / "scannet").mkdir()
    (layout / "scannet/scene9001_00.MP4").write_bytes(b"x")
    assert read(layout).video_path(data.samples[1]).name == "scene9001_00.MP4"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scene_name": "../../etc"}, "scene_name"),
        ({"dataset": "elsewhere"}, "dataset 'elsewhere'"),
        ({"question": None}, "question is None"),
        ({"options": 5}, "options is 5"),
        ({"ground_truth": "Z"}, "answer 'Z'"),
        ({"question_type": "object_counting", "ground_truth": "many"}, "answer 'many'"),
        ({"question_type": "dancing", "options": None}, "question_type 'dancing'"),
    ],
)
def test_an_odd_row_is_refused_by_its_number(layout: Path, change: dict[str, Any], said: str) -> None:
    lines = (layout / "test.jsonl").read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), **change})
    (layout / "test.jsonl").write_text("\n".join(lines))
    with pytest.raises(UsageError, match="row 3") as refused:
        read(layout)
    assert said in refused.value.what


def test_torn_and_doubled_rows_are_refused(layout: Path) -> None:
    table = layout / "test.jsonl"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines, lines[0]]))
    with pytest.raises(UsageError, match="occurs twice"):
        read(layout)
    table.write_text("".join(lines) + '{"id": 9, "data')
    with pytest.raises(VerificationError, match="row 6: not JSON"):
        read(layout)
    row = json.loads(lines[0])
    del row["ground_truth"]
    table.write_text(json.dumps(row))
    with pytest.raises(UsageError, match="no column ground_truth"):
        read(layout)


def tallied(**means: float) -> Tally:
    tally = Tally()
    for task, value in means.items():
        row = Published("1", "vsibench", task, "q", None, "1")
        tally.add(Verdict(value, "ok", "x"), KIND.categories(row), KIND.video(row))
    return tally


def test_overall_is_the_mean_of_eight_tasks_with_three_levels_of_direction_as_one() -> None:
    found = KIND.headline(tallied(
        object_counting=0.8, object_abs_distance=0.2, object_size_estimation=0.4, room_size_estimation=0.6,
        object_rel_distance=1.0, route_planning=0.0, obj_appearance_order=1.0, object_rel_direction_easy=1.0,
        object_rel_direction_medium=0.5, object_rel_direction_hard=0.0), "official")
    assert found["object_rel_direction"] == 0.5
    assert found["overall"] == pytest.approx((0.8 + 0.2 + 0.4 + 0.6 + 1.0 + 0.0 + 1.0 + 0.5) / 8)
    assert found["video_r1"] == pytest.approx(((1 + 0 + 1 + 1 + 0.5 + 0) / 6 + (0.8 + 0.2 + 0.4 + 0.6) / 4) / 2)
    assert "note" not in found


def test_missing_tasks_and_levels_are_averaged_over_the_rest_and_said() -> None:
    found = KIND.headline(tallied(object_counting=0.5, object_rel_direction_easy=1.0), "strict")
    assert found["overall"] == 0.75 and "2 of 8 tasks" in found["note"] and found["route_planning"] is None
    assert "object_rel_direction_hard" in found["note"] and found["video_r1"] == 0.75

"""MVBench's published layout, made up here: tasks, parts of videos, cut videos, frame folders, what is missing."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks import benchmark, rows_of
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published

KIND = rows_of("mvbench")


def question(video: str, **more: Any) -> dict[str, Any]:
    return {"video": video, "question": "What happens?", "candidates": ["he sits", "he runs", "he waits"],
            "answer": "he runs", **more}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    data = tmp_path / "MVBench"
    tables = {"action_sequence": [question("AB12.mp4", start=2.0, end=7.5), question("CD34.mp4", start=0.0, end=3.0)],
              "object_shuffle": [question("video_1.mp4"), question("video_1.mp4")],
              "episodic_reasoning": [question("castle/s01e01", start=1.0, end=9.0)]}
    (data / "json").mkdir(parents=True)
    for task, rows in tables.items():
        (data / "json" / f"{task}.json").write_text(json.dumps(rows))
    (data / "video/star/Charades_v1_480").mkdir(parents=True)
    (data / "video/star/Charades_v1_480/AB12.mp4").write_bytes(b"x")
    (data / "video/star/Charades_segment").mkdir(parents=True)
    (data / "video/star/Charades_segment/CD34.mp4").write_bytes(b"x")
    (data / "video/tvqa/frames_fps3_hq/castle/s01e01").mkdir(parents=True)
    with zipfile.ZipFile(data / "video/perception.zip", "w") as packed:
        packed.writestr("perception/videos/video_1.mp4", b"x")
    return data


def read(layout: Path) -> Any:
    return benchmark("mvbench")(layout, layout.parent / "work")


def test_questions_are_about_their_part_of_the_video_unless_it_is_cut_already(layout: Path) -> None:
    found = {sample.id: sample for sample in read(layout).samples}
    whole, cut = found["action_sequence/0"], found["action_sequence/1"]
    assert (whole.video, whole.meta["clip"]) == ("star/Charades_v1_480/AB12.mp4", [2.0, 7.5])
    assert cut.video == "star/Charades_segment/CD34.mp4" and "clip" not in cut.meta
    assert (whole.answer, whole.options) == ("B", ("he sits", "he runs", "he waits"))


def test_videos_are_found_unpacked_and_in_zips(layout: Path) -> None:
    data = read(layout)
    paths = {sample.id: data.video_path(sample) for sample in data.samples if "episodic" not in sample.id}
    assert paths["action_sequence/0"].name == "AB12.mp4" and paths["object_shuffle/0"].read_bytes() == b"x"
    frames = next(sample for sample in data.samples if "episodic" in sample.id)
    with pytest.raises(ItemError, match="folder of frames"):
        data.video_path(frames)


def test_the_headline_is_the_mean_over_tasks() -> None:
    tally = Tally()
    for task, score in (("object_shuffle", 1.0), ("object_shuffle", 0.0), ("action_count", 1.0)):
        row = Published("1", "mvbench", task, "q", ["a", "b"], "a", {"task": task})
        tally.add(Verdict(score, "ok", "A"), KIND.categories(row), KIND.video(row))
    found = KIND.headline(tally, "official")
    assert found["mean_of_tasks"] == 0.75 and found["micro"] == pytest.approx(2 / 3) and "2 of 20" in found["note"]


def test_gold_texts_and_letters_are_both_answers() -> None:
    def gold(answer: str) -> str:
        return KIND.sample(Published("1", "mvbench", "", "q", ["he sits", "he runs"], answer)).answer

    assert gold("he runs") == gold("B") == "B"


def test_what_is_missing_or_odd_has_its_own_words(layout: Path) -> None:
    table = layout / "json/object_shuffle.json"
    for rows, said in (([question("../../x.mp4")], "video"), ([question("a.mp4", start="soon", end=3)], "start"),
                       ([question("a.mp4", candidates="abc")], "candidates"), ({"a": 1}, "not a list"),
                       ([{"video": "a.mp4"}], "no column question"), ([question("a.mp4", answer="x")], "answer 'x'")):
        table.write_text(json.dumps(rows))
        with pytest.raises(UsageError) as refused:
            read(layout)
        assert said in refused.value.what
    table.write_text(json.dumps([question("gone.mp4")]))
    data = read(layout)
    with pytest.raises(ItemError, match=r"no video perception/videos/gone\.mp4"):
        data.video_path(data.samples[-1])
    with pytest.raises(MissingError, match="no json"):
        read(layout.parent)


def test_odd_times_of_a_row_to_be_graded_do_not_matter() -> None:
    row = Published("x/1", "mvbench", "", "?", ["one", "two"], "two", {"start": "a", "end": 3})
    assert rows_of("mvbench").sample(row).answer == "B"

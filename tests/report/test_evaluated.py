"""A real evaluation of the shipped policy, on the built-in world, as `strive eval` makes it and its page shows it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strive.cache.store import Store
from strive.configs.load import load
from strive.stages.demo.world import write_world
from strive.stages.eval.benchmarks import benchmark
from strive.stages.eval.stage import EvalJob, run_eval
from strive.stages.report.evaluation.shown_frames import RunFrames
from strive.stages.report.page import write_report

CONTROLS = {"base": (), "fewer": ("eval.frames=4",), "swapped": ("eval.control=swapped",),
            "blank": ("eval.control=blank",), "text": ("eval.control=text_only",),
            "mixed": ("eval.shuffle_frames=true",)}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RUN folders by the names above beside their cache: the questions about two held-out videos."""
    folder = tmp_path_factory.mktemp("evaluated")
    world, store = write_world(folder / "world", 0, 1, 2), Store(folder / "cache")
    data = benchmark("demo")(world.evaluation.parent, folder / "work")
    for name, sets in CONTROLS.items():
        config = load(preset="demo", sets=sets, env={}).config
        run_eval(EvalJob(config, store, folder / name, "demo", "demo", replace(data)))
    return folder


def answers(folder: Path, *names: str) -> dict[str, dict[str, Any]]:
    """The entries of the page of these runs, by question."""
    runs, frames = [folder / name for name in names], RunFrames(Store(folder / "cache"))
    page = write_report(runs, folder / "r.html", frames_of=frames)
    found = re.search(r'id="answer-data">(.*?)</script>', page.read_text("utf-8"), re.S)
    assert found is not None
    return {row["id"]: row for row in json.loads(found[1])["rows"]}


def test_every_answer_has_the_frames_it_was_given_on(evaluated: Path) -> None:
    for name, count in (("base", 8), ("fewer", 4), ("swapped", 8), ("mixed", 8)):
        rows = {row["id"]: row for row in map(json.loads, (evaluated / name / "predictions.jsonl").open())}
        found = answers(evaluated, name)
        assert found.keys() == rows.keys() and len(rows) == 6
        for key, row in found.items():
            assert len(row["answers"]["0"]["frames"]) == count == len(rows[key]["times"])


def test_swapped_frames_are_those_of_the_other_video(evaluated: Path) -> None:
    own, other = answers(evaluated, "base", "swapped"), answers(evaluated, "base")
    by_video = {row["video"]: row["answers"]["0"]["frames"] for row in own.values()}
    assert len(by_video) == 2 and other.keys() == own.keys()
    for row in own.values():
        swapped = row["answers"]["1"]["frames"]
        assert [place for place, _ in swapped] == [p for v, shown in by_video.items() for p, _ in shown
                                                   if v != row["video"]]


def test_shuffled_frames_stand_in_the_order_shown(evaluated: Path) -> None:
    times = [time for _, time in next(iter(answers(evaluated, "mixed").values()))["answers"]["0"]["frames"]]
    assert times != sorted(times)


def test_what_showed_no_video_has_no_frames_and_says_why(evaluated: Path) -> None:
    for name, why in (("blank", "grey"), ("text", "no video")):
        assert all(why in row["answers"]["0"]["why"] for row in answers(evaluated, name).values())


def test_every_category_of_the_results_can_be_filtered_by(evaluated: Path) -> None:
    groups = json.loads((evaluated / "base" / "results.json").read_text())["groups"]
    for row in answers(evaluated, "base").values():
        assert row["places"].keys() == groups.keys()
        assert all(value in groups[name] for name, values in row["places"].items() for value in values)
        assert row["answers"]["0"]["rule"]

"""A dataset in windows: the same artefacts and figures as in one piece, nothing made or failed twice."""

from pathlib import Path
from typing import Any

import pytest
from videos import make_video

from strive.cache.store import Store
from strive.configs.data_stages import ExtractConfig, ScoreConfig, VariantsConfig
from strive.configs.schema import Config
from strive.stages.plan import Job, VideoRef
from strive.stages.reporter import Silent
from strive.stages.runner import plan_chain, run_chain
from strive.stages.tasks.sample import Sample

CONFIG = Config(extract=ExtractConfig(min_frames=3, short_side=32), score=ScoreConfig(scorer="hash"),
                variants=VariantsConfig(frames=3))
NAMES = ["0.mp4", "1.mp4", "broken.mp4", "0.mp4", "2.mp4", "broken.mp4", "1.mp4", "0.mp4", "2.mp4"]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for i in range(3):
        make_video(folder / f"{i}.mp4", 8, 4, numbers=list(range(8 * i, 8 * i + 8)))
    (folder / "broken.mp4").write_bytes((folder / "0.mp4").read_bytes()[:700])
    return folder


class Progress(Silent):
    """Keeps the progress that was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, int, int, int]] = []

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
        self.shown.append((stage, done, total, failed))


def job(cache: Path, footage: Path, window: int | None, **more: Any) -> Job:
    samples = [Sample(f"q{i}", name, f"What is shown in {i}?", None, "3", "numerical") for i, name in enumerate(NAMES)]
    return Job(CONFIG, Store(cache), samples=samples, locate=lambda name: VideoRef(name, footage / name), window=window,
               **more)


def contents(job: Job) -> dict[tuple[str, str], str]:
    return {(one.stage, one.key): one.digest for one in job.store.entries()}


@pytest.mark.parametrize("window", [1, 2, 4, 100])
def test_windows_make_what_one_piece_makes(tmp_path: Path, footage: Path, window: int) -> None:
    whole, parts = job(tmp_path / "whole", footage, None), job(tmp_path / "parts", footage, window)
    plans = [plan.counts() for plan in plan_chain("variants", parts)]
    assert plans == [plan.counts() for plan in plan_chain("variants", job(tmp_path / "whole", footage, None))]
    first, second = run_chain("variants", whole), run_chain("variants", parts)
    assert contents(whole) == contents(parts)
    for stage, outcome in first.items():
        other = second[stage]
        assert (other.done, other.cached, other.failed) == (outcome.done, outcome.cached, outcome.failed), stage
    done = [[plan.counts() for plan in plan_chain("variants", job(tmp_path / "parts", footage, size))]
            for size in (None, window)]
    assert done[0] == done[1]


def test_a_second_run_in_windows_finds_everything(tmp_path: Path, footage: Path) -> None:
    run_chain("variants", job(tmp_path, footage, 2))
    again = run_chain("variants", job(tmp_path, footage, 3))
    assert {stage: (one.done, one.cached) for stage, one in again.items()} == {
        "fetch": (0, 0), "extract": (0, 3), "embed": (0, 3), "score": (0, 7), "variants": (0, 7)}


def test_force_makes_each_item_again_once(tmp_path: Path, footage: Path) -> None:
    run_chain("extract", job(tmp_path, footage, 2))
    again = run_chain("extract", job(tmp_path, footage, 2, force=True))["extract"]
    assert (again.done, again.cached, len(again.failed)) == (3, 0, 1)


def test_progress_counts_over_the_whole_run(tmp_path: Path, footage: Path) -> None:
    seen = Progress()
    work = job(tmp_path, footage, 2, reporter=seen)
    plan_chain("variants", work)
    run_chain("variants", work)
    assert [one for one in seen.shown if one[0] == "variants"][-1] == ("variants", 7, 9, 2)
    assert {total for stage, _, total, _ in seen.shown if stage == "extract"} == {4}


def test_what_a_run_has_is_listed_with_every_window(tmp_path: Path, footage: Path) -> None:
    work = job(tmp_path, footage, 2)
    run_chain("variants", work)
    listed = dict((name, key) for key, name in work.store.index.recall_list("last-run/variants"))
    assert sorted(listed) == ["q0", "q1", "q3", "q4", "q6", "q7", "q8"]
    assert all(work.store.find("variants", key) for key in listed.values())

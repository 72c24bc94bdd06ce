"""`strive eval --bench all` as users call it: what is there is measured, what is not or can't be is said."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typed import typed

LAYOUTS = Path(__file__).parents[1] / "data" / "layouts"
SMALL = ("--model", "demo", "--preset", "demo", "-s", "eval.max_new_tokens=2", "-s", "eval.frames=2")
ABSENT = {"videomme", "tempcompass", "videommmu", "perceptiontest", "mvbench"}
TABLE = "tempcompass/multi-choice/test-00000-of-00001.parquet"
Strive = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def strive(tmp_path_factory: pytest.TempPathFactory) -> Strive:
    """The command, in a process and with a cache of its own."""
    cache = tmp_path_factory.mktemp("cache")

    def call(*arguments: Any) -> subprocess.CompletedProcess[str]:
        return typed("eval", "--cache-dir", cache, *SMALL, *arguments)

    return call


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the benchmarks."""
    folder = tmp_path_factory.mktemp("benchmarks")
    for name in ("mmvu", "vsibench"):
        shutil.copytree(LAYOUTS / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def run(strive: Strive, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both of them measured."""
    folder = tmp_path_factory.mktemp("runs") / "all"
    done = strive("--bench", "all", "--data", data, "--run", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "2 uniform frames" in lines[1] and "greedy" in lines[1] and "protocol strict" in lines[1]
    assert [line.split()[:2] for line in lines[3:5]] == [["mmvu", "4"], ["vsibench", "5"]]
    assert all(name in lines[5] for name in ABSENT)
    return folder


def test_the_same_command_asks_nothing_again_and_prints_one_object(strive: Strive, data: Path, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.glob("*/predictions.jsonl")}
    done = strive("--bench", "all", "--data", data, "--run", run, "--json")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert (found["status"], found["done"], found["cached"], found["failed"]) == ("ok", 0, 9, [])
    assert set(found["benchmarks"]) == {"mmvu", "vsibench"} and set(found["absent"]) == ABSENT
    for name in ("mmvu", "vsibench"):
        assert found["outputs"][name] == str(run / name / "results.json")
        stored = json.loads((run / name / "results.json").read_text())
        assert stored["accuracy"] == found["benchmarks"][name]["accuracy"]
    assert before == {path: path.read_bytes() for path in run.glob("*/predictions.jsonl")} and len(before) == 2


def test_what_is_broken_fails_by_name_and_the_others_are_finished(strive: Strive, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    shutil.copytree(LAYOUTS / "tempcompass", tmp_path / "data/tempcompass")
    broken = tmp_path / "data" / TABLE
    pq.write_table(pq.read_table(broken).drop_columns(["answer"]), broken)
    shutil.rmtree(tmp_path / "data/mmvu/videos/Art")
    command = ("--bench", "all", "--data", tmp_path / "data", "--run", tmp_path / "run")
    done = strive(*command)
    assert done.returncode == 3 and "no column answer" in done.stderr, "the plan says so before any work"
    said = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("failed: ")]
    assert len(said) == 2 and said[0].startswith("failed: tempcompass: ") and "no column answer" in said[0]
    assert said[1].startswith("failed: mmvu/validation_0: no video ") and "Art/0.mp4" in said[1]
    found = json.loads(strive(*command, "--json").stdout)
    assert (found["status"], found["done"], found["cached"]) == ("partial", 0, 8)
    assert [one["id"] for one in found["failed"]] == ["tempcompass", "mmvu/validation_0"]
    assert "tempcompass" not in found["absent"] and set(found["benchmarks"]) == {"mmvu", "vsibench"}


def test_other_settings_in_the_same_run_folder_are_refused_with_their_keys(
    strive: Strive, data: Path, run: Path
) -> None:
    done = strive("--bench", "all", "--data", data, "--run", run, "--frames", "3", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 2 and "eval.frames: 2 -> 3" in found["error"]["what"]


def test_a_protocol_that_does_not_ask_a_benchmark_is_said_of_that_one_alone(
    strive: Strive, data: Path, tmp_path: Path
) -> None:
    done = strive("--bench", "all", "--data", data, "--run", tmp_path, "--protocol", "official")
    assert done.returncode == 3 and "failed: mmvu: eval.protocol=official does not ask mmvu" in done.stdout
    assert any(line.split()[:2] == ["vsibench", "5"] for line in done.stdout.splitlines())


def test_a_dry_run_plans_every_benchmark_and_writes_nothing(strive: Strive, data: Path, tmp_path: Path) -> None:
    done = strive("--bench", "all", "--data", data, "--run", tmp_path / "run", "-n")
    assert done.returncode == 0 and not (tmp_path / "run").exists()
    assert all(f"bench {name}" in done.stdout for name in ("mmvu", "vsibench")) and "mvbench" in done.stdout


def test_a_folder_without_any_benchmark_is_exit_5(strive: Strive, tmp_path: Path) -> None:
    done = strive("--bench", "all", "--data", tmp_path, "--run", tmp_path / "run")
    assert done.returncode == 5 and "none of the folders" in done.stderr

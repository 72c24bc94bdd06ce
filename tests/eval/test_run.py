"""A run is durable answer by answer, goes on where it stopped, and refuses to mix recipes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from eval_jobs import job_of

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import InterruptedRun, UsageError, VerificationError
from strive.stages.eval.stage import run_eval
from strive.stages.reporter import Silent
from strive.stages.vlm.policy import Policy

CHILD = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from eval_jobs import job_of
from strive.cache.store import Store
from strive.stages.eval.stage import run_eval
from strive.stages.reporter import Silent

class Armed(Silent):
    def progress(self, stage, done, total, failed=0, current=""):
        if stage == "eval":  # write points count from here
            os.environ.setdefault("STRIVE_FAULT", sys.argv[5])

run, tiny, dataset, root = map(Path, sys.argv[1:5])
job = job_of(run, tiny, dataset, Store(root))
job.reporter = Armed()
run_eval(job)
"""


def predictions(run: Path) -> dict[str, dict[str, Any]]:
    rows = read_jsonl(run / "predictions.jsonl")
    assert len({row["id"] for row in rows}) == len(rows), "a sample was answered twice"
    return {row["id"]: row for row in rows}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny: Path, dataset: Path, shared_store: Store) -> Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    outcome = run_eval(job_of(run, tiny, dataset, shared_store))
    assert (outcome.done, outcome.cached, outcome.failed) == (9, 0, [])
    return run


def test_a_row_says_what_was_asked_shown_said_and_read(undisturbed: Path) -> None:
    row = predictions(undisturbed)["a-mc"]
    assert row["answer"] == "A" and row["options"] == ["left", "right", "none"] and row["shown_video"] == "a.mp4"
    assert len(row["times"]) == 4 and row["times"] == sorted(row["times"])
    assert 1 <= row["completion_tokens"] <= 6 and row["prompt_tokens"] > 20
    assert row["status"] in ("ok", "unparsed", "ambiguous", "truncated", "empty") and row["key"].startswith("sha256:")


def test_results_carry_their_recipe(undisturbed: Path) -> None:
    results = json.loads((undisturbed / "results.json").read_text())
    assert results["n"] == 9 and set(results["families"]) == {"place", "counting", "colour"}
    assert results["recipe"]["eval.frames"] == 4 and results["recipe"]["model"].startswith("sha256:")
    assert results["recipe"]["eval.prompt_format"] == "think_answer" and results["recipe"]["eval.protocol"] == "strict"
    assert results["chance"] == pytest.approx((1 / 3 + 1 / 4 + 1 / 2) / 3)


def test_the_same_command_again_has_nothing_to_do_and_the_same_figures(
    undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    before = {name: (undisturbed / name).read_bytes() for name in ("predictions.jsonl", "results.json")}
    outcome = run_eval(job_of(undisturbed, tiny, dataset, shared_store))
    assert (outcome.done, outcome.cached) == (0, 9)
    assert before == {name: (undisturbed / name).read_bytes() for name in before}


@pytest.mark.parametrize("kept", [0, 1, 4, 8])
def test_a_resume_gives_the_undisturbed_answers_to_the_bit(
    tmp_path: Path, kept: int, undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    lines = (undisturbed / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_bytes((undisturbed / "recipe.json").read_bytes())
    (run / "predictions.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:50])  # the next line was torn
    outcome = run_eval(job_of(run, tiny, dataset, shared_store))
    assert (outcome.done, outcome.cached) == (9 - kept, kept)
    assert predictions(run) == predictions(undisturbed)
    assert (run / "results.json").read_bytes() == (undisturbed / "results.json").read_bytes()


@pytest.mark.parametrize("fault", ["write:1:kill", "write:4:torn"])
def test_a_killed_run_goes_on_and_ends_like_an_undisturbed_one(
    tmp_path: Path, fault: str, undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    run = tmp_path / "run"
    script = CHILD.format(tests=str(Path(__file__).parent))
    killed = subprocess.run(
        [sys.executable, "-c", script, str(run), str(tiny), str(dataset), str(shared_store.root), fault],
        capture_output=True,
        timeout=120,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert not (run / "results.json").exists()
    kept = len(read_jsonl(run / "predictions.jsonl"))
    assert 0 < kept < 9
    outcome = run_eval(job_of(run, tiny, dataset, shared_store))
    assert (outcome.done, outcome.cached) == (9 - kept, kept)
    assert predictions(run) == predictions(undisturbed)


def test_order_does_not_matter_to_what_is_asked_again(
    tmp_path: Path, undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    rows = dataset.read_text().splitlines(keepends=True)
    shuffled = dataset.with_name("shuffled.jsonl")
    shuffled.write_text("".join(rows[::-1]))
    run = tmp_path / "run"
    run.mkdir()
    for name in ("recipe.json", "predictions.jsonl"):
        (run / name).write_bytes((undisturbed / name).read_bytes())
    assert run_eval(job_of(run, tiny, shuffled, shared_store)).done == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("eval.frames=8", "eval.frames: 4 -> 8"),
        ("eval.prompt_format=direct", "eval.prompt_format"),
        ("eval.max_new_tokens=7", "eval.max_new_tokens: 6 -> 7"),
        ("extract.fps=2", "extract.fps: 1.0 -> 2.0"),
        ("eval.control=blank", "eval.control: none -> blank"),
    ],
)
def test_a_changed_recipe_in_the_same_run_folder_is_refused_by_name(
    change: str, named: str, undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    with pytest.raises(UsageError, match="another recipe") as caught:
        run_eval(job_of(undisturbed, tiny, dataset, shared_store, change))
    assert named in caught.value.what


def test_what_changes_no_result_may_change(undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store) -> None:
    assert (
        run_eval(
            job_of(undisturbed, tiny, dataset, shared_store, "eval.batch_tokens=9999", "extract.deadline_s=9")
        ).done
        == 0
    )


def test_a_changed_question_under_an_answered_id_is_refused(
    tmp_path: Path, undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    changed = dataset.with_name("changed.jsonl")
    changed.write_text(dataset.read_text().replace("What colour?", "Which colour?"))
    with pytest.raises(UsageError, match="'a-open' or its video changed"):
        run_eval(job_of(undisturbed, tiny, changed, shared_store))


def test_force_starts_over(tmp_path: Path, undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("recipe.json", "predictions.jsonl", "results.json"):
        (run / name).write_bytes((undisturbed / name).read_bytes())
    outcome = run_eval(job_of(run, tiny, dataset, shared_store, "eval.frames=2", force=True))
    assert outcome.done == 9 and predictions(run)["a-mc"]["times"] != predictions(undisturbed)["a-mc"]["times"]


def test_a_training_run_and_a_torn_run_folder_are_refused(
    tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="training run"):
        run_eval(job_of(tmp_path / "train", tiny, dataset, shared_store))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "predictions.jsonl").write_text('{"id": "a-mc"}\n')
    with pytest.raises(VerificationError, match=r"without recipe\.json"):
        run_eval(job_of(tmp_path / "torn", tiny, dataset, shared_store))


def test_an_undecodable_video_is_reported_apart_and_asked_once_it_is_mended(
    tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    for name in ("data.jsonl", "a.mp4", "c.mp4"):
        (tmp_path / name).write_bytes((dataset.parent / name).read_bytes())
    (tmp_path / "b.mp4").write_bytes(b"")
    outcome = run_eval(job_of(tmp_path / "run", tiny, tmp_path / "data.jsonl", shared_store))
    assert {one["id"] for one in outcome.failed} == {"b-mc", "b-count", "b-open"} and all(
        "empty" in one["reason"] for one in outcome.failed
    )
    assert (outcome.done, outcome.results["n"], outcome.results["n_total"], outcome.results["n_undecodable"]) == (
        6,
        6,
        9,
        3,
    )
    assert not any(name.startswith("b") for name in predictions(tmp_path / "run"))
    assert {one["id"] for one in (shared_store.recall("last-run/eval") or {})["failed"]} == {
        "b-mc",
        "b-count",
        "b-open",
    }
    (tmp_path / "b.mp4").write_bytes((dataset.parent / "b.mp4").read_bytes())
    outcome = run_eval(job_of(tmp_path / "run", tiny, tmp_path / "data.jsonl", shared_store))
    assert (outcome.done, outcome.cached, outcome.failed) == (3, 6, [])


def test_text_only_needs_no_video_and_swapped_names_the_other_one(
    tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    alone = tmp_path / "data.jsonl"
    alone.write_bytes(dataset.read_bytes())
    outcome = run_eval(job_of(tmp_path / "text", tiny, alone, shared_store, "eval.control=text_only"))
    assert outcome.done == 9 and outcome.failed == []
    assert all(row["times"] == [] and row["shown_video"] is None for row in predictions(tmp_path / "text").values())
    run_eval(job_of(tmp_path / "swapped", tiny, dataset, shared_store, "eval.control=swapped"))
    assert all(row["shown_video"] not in (None, row["video"]) for row in predictions(tmp_path / "swapped").values())


class Terminates(Silent):
    """Asks the process to stop, as a job scheduler does, once four questions are answered."""

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
        if stage == "eval" and done == 4:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_terminated_run_keeps_its_answers_and_says_how_to_go_on(
    tmp_path: Path, undisturbed: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    job = job_of(tmp_path / "run", tiny, dataset, shared_store)
    job.reporter = Terminates()
    with pytest.raises(InterruptedRun) as caught:
        run_eval(job)
    assert caught.value.code == 143 and "same command" in caught.value.do
    kept = len(predictions(tmp_path / "run"))
    told = shared_store.recall("last-run/eval") or {}
    assert (told["total"], told["done"], told["cached"]) == (9, kept, 0)
    assert 4 <= kept < 9
    left = json.loads((tmp_path / "run" / "results.json").read_text())
    assert left["complete"] is False and (left["n"], left["n_total"]) == (kept, 9)
    assert run_eval(job_of(tmp_path / "run", tiny, dataset, shared_store)).results["complete"] is True
    assert predictions(tmp_path / "run") == predictions(undisturbed)


def test_a_batch_that_does_not_fit_is_halved_and_a_question_that_does_not_fit_fails_alone(
    tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Policy.reply
    before = predictions_of(tmp_path / "first", tiny, dataset, shared_store)
    longest = max(row["prompt_tokens"] for row in before.values())

    def small_memory(self: Policy, prefix: Any, questions: Any, *rest: Any) -> Any:
        lengths = [len(view) for own in questions for view in own]
        if len(lengths) > 1 or lengths[0] == longest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, prefix, questions, *rest)

    monkeypatch.setattr(Policy, "reply", small_memory)
    outcome = run_eval(job_of(tmp_path / "run", tiny, dataset, shared_store))
    assert {one["id"] for one in outcome.failed} == {"a-mc", "b-mc", "c-mc"}
    assert all("out of memory" in one["reason"] and str(longest) in one["reason"] for one in outcome.failed)
    assert len(predictions(tmp_path / "run")) == 6
    assert (outcome.results["n_undecodable"], outcome.results["n_too_large"]) == (0, 3)


def predictions_of(run: Path, tiny: Path, dataset: Path, store: Store) -> dict[str, dict[str, Any]]:
    run_eval(job_of(run, tiny, dataset, store))
    return predictions(run)

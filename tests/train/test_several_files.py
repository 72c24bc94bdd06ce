"""Training from several sources, and from those questions that the initial policy sometimes gets right."""

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_world import Notes, assert_same, exit_code, in_child, make_job
from videos import make_video

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import StoppedError, UsageError
from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample
from strive.stages.train.job import TrainJob
from strive.stages.train.questions.order import Source
from strive.stages.train.reward.rewards import REWARDS
from strive.stages.train.stage import train

A, B = Source("a.jsonl", ["q0", "q1", "q2"], 1.0), Source("b.jsonl", ["q3", "q4", "q5", "q6"], 3.0)


def chance(sample: Sample, reply: Reply) -> float:
    """An accuracy that random models vary in: q0 is always right, q1 never, the others by what is said."""
    return {"q0": 1.0, "q1": 0.0}.get(sample.id, float(len(set(reply.raw)) % 2))


def job_of(folder: Path, model: Path, *sources: Source, **changes: Any) -> TrainJob:
    settings = {"train__prompts_per_step": 4, "bundles": 7, **changes}
    return replace(make_job(folder, model, **settings), data=sources)


def drawn(run: Path) -> list[str]:
    return [row["id"] for row in read_jsonl(run / "rollouts.jsonl") if row["rank"] == "best"]


def test_questions_come_by_weight_and_a_killed_run_draws_the_same(tmp_path: Path, qwen25: Path) -> None:
    whole = job_of(tmp_path, qwen25, A, B, run="whole")
    train(whole)
    shown = drawn(whole.run)
    assert len(shown) == 16 and Counter(name in B.ids for name in shown) == {True: 12, False: 4}
    assert all(len(set(shown[i : i + 4])) == 4 for i in range(0, 16, 4))
    killed = job_of(tmp_path, qwen25, A, B, run="killed", train__steps=2)
    train(killed)
    train(job_of(tmp_path, qwen25, B, A, run="killed"))
    assert_same(whole.run, killed.run)


def test_the_record_holds_the_weights_and_another_weight_is_refused_by_name(tmp_path: Path, qwen25: Path) -> None:
    train(job_of(tmp_path, qwen25, A, B, train__steps=1))
    record = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert [(one["name"], one["weight"]) for one in record["sources"]] == [("a.jsonl", 1.0), ("b.jsonl", 3.0)]
    with pytest.raises(UsageError, match=r"data files: .*b\.jsonl.*3.*b\.jsonl.*2"):
        train(job_of(tmp_path, qwen25, A, replace(B, weight=2.0)))
    with pytest.raises(UsageError, match="data files: "):
        train(job_of(tmp_path, qwen25))
    train(job_of(tmp_path, qwen25, run="single", train__steps=1))
    assert "sources" not in json.loads((tmp_path / "single" / "run.json").read_bytes())


@pytest.fixture
def by_chance(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings of a run whose accuracy random models vary in, filtered by it."""
    monkeypatch.setitem(REWARDS, "accuracy", chance)
    return {"train__rewards": {"accuracy": 1.0}, "train__pass_rate": [0.0, 1.0], "train__pass_rate_rollouts": 8,
            "train__prompts_per_step": 2, "train__steps": 2, "train__checkpoint_every": 1}


def test_questions_that_are_always_or_never_right_are_not_drawn(
    tmp_path: Path, qwen25: Path, by_chance: dict[str, Any]
) -> None:
    notes = Notes()
    job = job_of(tmp_path, qwen25, reporter=notes, **by_chance)
    outcome = train(job)
    rates = {row["id"]: row["rate"] for row in read_jsonl(job.run / "pass_rates.jsonl")}
    assert rates["q0"] == 1 and rates["q1"] == 0 and len(rates) == 7
    assert set(drawn(job.run)) <= {name for name, rate in rates.items() if 0 < rate < 1}
    assert any("of 7 questions" in line and "kept" in line for line in notes.lines) and not outcome.failed
    before = (job.run / "pass_rates.jsonl").read_bytes()
    train(job_of(tmp_path, qwen25, **{**by_chance, "train__steps": 3}))
    assert (job.run / "pass_rates.jsonl").read_bytes() == before


def test_a_run_killed_while_it_measures_goes_on_to_the_same_result(
    tmp_path: Path, qwen25: Path, by_chance: dict[str, Any]
) -> None:
    whole, killed = (job_of(tmp_path, qwen25, run=run, **by_chance) for run in ("whole", "killed"))
    train(whole)
    there: list[dict[str, Any]] = []
    for point in range(10, 80, 4):
        assert exit_code(in_child(killed, f"write:{point}:torn")) == -signal.SIGKILL
        there = read_jsonl(killed.run / "pass_rates.jsonl")
        if there:
            break
    assert 0 < len(there) < 7 and not list(killed.run.glob("checkpoints/step_*"))
    train(killed)
    assert (killed.run / "pass_rates.jsonl").read_bytes() == (whole.run / "pass_rates.jsonl").read_bytes()
    assert_same(whole.run, killed.run)


def test_too_few_in_between_stop_the_run_and_force_measures_anew(
    tmp_path: Path, qwen25: Path, by_chance: dict[str, Any]
) -> None:
    job = job_of(tmp_path, qwen25, **{**by_chance, "bundles": 2})
    with pytest.raises(StoppedError, match="of 2 questions 1 always right, 1 never right, 0 between; 0 kept"):
        train(job)
    assert len(read_jsonl(job.run / "pass_rates.jsonl")) == 2
    train(job_of(tmp_path, qwen25, force=True, **{**by_chance, "train__pass_rate": None}))
    assert not (job.run / "pass_rates.jsonl").exists()


def test_two_files_whose_videos_have_the_same_name_train_from_the_command_line(tmp_path: Path, qwen25: Path) -> None:
    arguments = [sys.executable, "-m", "strive.cli", "train", "--json", "--run", str(tmp_path / "run"),
                 "--model", str(qwen25), "--cache-dir", str(tmp_path / "cache")]
    for name, weight in (("a", "2"), ("b", "1")):
        (tmp_path / name).mkdir()
        make_video(tmp_path / name / "v.mp4", numbers=range(ord(name), ord(name) + 30))
        rows = [{"id": f"{name}{i}", "video": "v.mp4", "question": "What is it?", "options": None, "answer": "red",
                 "question_type": "open"} for i in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        arguments += ["--data", f"{tmp_path / name}.jsonl={weight}", "--videos", str(tmp_path / name)]
    settings = {"extract.min_frames": 8, "extract.short_side": 48, "score.scorer": "hash", "variants.frames": 4,
                "train.steps": 2, "train.prompts_per_step": 3, "train.max_new_tokens": 4, "train.max_pixels": 3136,
                "train.min_pixels": 784, "train.checkpoint_every": 1, "train.threads": 1}
    arguments += [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert Counter(name[0] for name in drawn(tmp_path / "run")) == {"a": 4, "b": 2}
    record = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert [(one["name"], one["weight"], one["questions"]) for one in record["sources"]] == [
        ("a.jsonl", 2.0, 3), ("b.jsonl", 1.0, 3)]
    frames = {one.digest for one in Store(tmp_path / "cache").entries() if one.stage == "extract"}
    assert len(frames) == 2 and "extract       2 videos" in done.stderr

"""The probe: groups of a policy that stays as it is, resumable, whose draws depend on nothing but what they are of."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from training_world import Notes, exit_code, make_job

from strive.cache import fault
from strive.cache.ledger import read_jsonl
from strive.configs.errors import InterruptedRun, UsageError
from strive.stages import registry
from strive.stages.train import assembly
from strive.stages.train.job import TrainJob
from strive.stages.train.probe import probe
from strive.stages.train.stage import train
from strive.stages.vlm.policy import Policy


def rows_of(job: TrainJob) -> list[dict[str, Any]]:
    return read_jsonl(job.run / "groups.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, qwen25: Path) -> list[dict[str, Any]]:
    """The ledger of three rounds of five questions that nothing stopped."""
    job = make_job(tmp_path_factory.mktemp("whole"), qwen25)
    probe(job, 3)
    return rows_of(job)


def test_every_question_is_rolled_out_in_every_round_and_nothing_is_trained(
    tmp_path: Path, qwen25: Path, whole: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[Policy, dict[str, torch.Tensor]]] = []

    def load(job: TrainJob, trainable: bool) -> Policy:
        policy = assembly_load(job, trainable)
        loaded.append((policy, {name: p.detach().clone() for name, p in policy.model.state_dict().items()}))
        return policy

    assembly_load = assembly.load
    monkeypatch.setattr(assembly, "load", load)
    job = make_job(tmp_path, qwen25)
    found = probe(job, 3)
    assert rows_of(job) == whole and len(loaded) == 1
    policy, before = loaded[0]
    assert all(torch.equal(before[name], p) for name, p in policy.model.state_dict().items())
    assert all(p.grad is None for p in policy.model.parameters())
    assert [(row["round"], row["id"]) for row in whole] == [(r, f"q{q}") for r in range(3) for q in range(5)]
    assert found == {f"q{q}": [row for row in whole if row["id"] == f"q{q}"] for q in range(5)}
    for row in whole:
        assert [len(own) for own in row["rewards"]] == [len(own) for own in row["accuracy"]] == [2] * 4
        assert all(0 <= value <= 1 for own in row["rewards"] for value in own)
    there = sorted(p.name for p in job.run.iterdir() if p.name[0] != ".")
    assert there == ["config.yaml", "groups.jsonl", "probe.json"]


def test_rounds_draw_differently_and_a_view_draws_what_it_would_among_other_questions(
    tmp_path: Path, qwen25: Path, whole: list[dict[str, Any]]
) -> None:
    assert len({json.dumps(row["rewards"]) for row in whole if row["id"] == "q1"}) == 3
    few = make_job(tmp_path, qwen25, bundles=2, train__prompts_per_step=1)
    probe(few, 2)
    for row in rows_of(few):
        same = next(one for one in whole if (one["id"], one["round"]) == (row["id"], row["round"]))
        assert row["rewards"] == same["rewards"]
    other = make_job(tmp_path, qwen25, run="other", train__seed=1)
    probe(other, 1)
    assert [row["rewards"] for row in rows_of(other)] != [row["rewards"] for row in whole[:5]]


def killed_at(job: TrainJob, rounds: int, point: str) -> int:
    """Probe in a forked child that is killed at a fault point; its exit code, minus the signal."""
    child = os.fork()
    if not child:
        os.environ["STRIVE_FAULT"], fault._points = point, 0
        probe(job, rounds)
        os._exit(0)
    return exit_code(child)


@pytest.mark.parametrize("how", ["torn", "kill"])
def test_a_killed_probe_goes_on_to_the_same_groups(
    tmp_path: Path, qwen25: Path, whole: list[dict[str, Any]], how: str
) -> None:
    job = make_job(tmp_path, qwen25)
    there: list[dict[str, Any]] = []
    for point in range(16, 80, 5):
        assert killed_at(job, 3, f"write:{point}:{how}") == -signal.SIGKILL
        there = rows_of(job)
        if there:
            break
    assert 0 < len(there) < 15 and there == whole[: len(there)]
    probe(job, 3)
    assert rows_of(job) == whole


def test_a_probe_that_is_stopped_says_what_it_keeps_and_goes_on(
    tmp_path: Path, qwen25: Path, whole: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sends(Notes):
        def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
            if (stage, done) == ("probe", 4):
                os.kill(os.getpid(), signal.SIGTERM)

    job = make_job(tmp_path, qwen25, reporter=Sends())
    with pytest.raises(InterruptedRun, match="groups of 4 of 15") as caught:
        probe(job, 3)
    assert caught.value.code == 143 and rows_of(job) == whole[:4]
    assert not (job.run / "last_item.json").exists()
    probe(job, 3)
    assert rows_of(job) == whole


def test_more_rounds_add_to_those_that_are_there_and_what_is_there_needs_no_model(
    tmp_path: Path, qwen25: Path, whole: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tmp_path, qwen25)
    probe(job, 1)
    assert rows_of(job) == whole[:5]
    probe(job, 3)
    assert rows_of(job) == whole
    monkeypatch.setattr("strive.stages.train.assembly.load", None)
    assert probe(job, 2) == {f"q{q}": [row for row in whole[:10] if row["id"] == f"q{q}"] for q in range(5)}


def test_a_folder_of_other_settings_is_refused_and_force_starts_it_over(tmp_path: Path, qwen25: Path) -> None:
    probe(make_job(tmp_path, qwen25), 1)
    other = make_job(tmp_path, qwen25, train__temperature=0.5)
    with pytest.raises(UsageError, match="train.temperature"):
        probe(other, 1)
    before = rows_of(other)
    probe(make_job(tmp_path, qwen25, train__temperature=0.5, force=True), 1)
    assert len(rows_of(other)) == 5 and rows_of(other) != before


def test_a_training_run_is_no_folder_for_a_probe(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__steps=1)
    train(job)
    with pytest.raises(UsageError, match="training run"):
        probe(job, 1)
    with pytest.raises(UsageError, match="0 rounds"):
        probe(make_job(tmp_path, qwen25, run="new"), 0)


def test_a_question_that_cannot_be_rolled_out_is_a_row_with_its_reason(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strive.configs.errors import ItemError
    from strive.stages.train.questions.examples import Examples

    plain = Examples.get

    def get(self: Examples, sample_id: str) -> Any:
        if sample_id == "q1":
            raise ItemError("its variants cannot be read")
        return plain(self, sample_id)

    monkeypatch.setattr(Examples, "get", get)
    notes = Notes()
    job = make_job(tmp_path, qwen25, bundles=3, reporter=notes)
    assert sorted(registry.run("probe")(job, 1)) == ["q0", "q2"]
    assert rows_of(job)[1] == {"id": "q1", "round": 0, "reason": "its variants cannot be read"}
    assert any("q1" in line and "cannot be read" in line for line in notes.lines)

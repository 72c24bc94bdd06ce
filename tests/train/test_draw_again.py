"""Groups without variance are replaced by other questions, up to a cap; a KL may be charged to the reward."""

from pathlib import Path
from typing import Any

import pytest
from training_world import busy, make_job

from strive.cache.ledger import read_jsonl
from strive.configs.errors import StoppedError
from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.rewards import REWARDS
from strive.stages.train.stage import train


def even_only(sample: Sample, reply: Reply) -> float:
    """Varies for questions of even number; the others always earn the same."""
    return busy(sample, reply) if int(sample.id[1:]) % 2 == 0 else 0.5


REWARDS["even_only"] = even_only
REWARDS["constant"] = lambda sample, reply: 0.25
REWARDS["none"] = lambda sample, reply: float("nan")
AGAIN: dict[str, Any] = {"bundles": 8, "train__zero_std": "resample", "train__rewards": {"even_only": 1.0}}


def test_flat_groups_are_replaced_until_the_step_is_full(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__steps=3, **AGAIN)
    train(job)
    rows = read_jsonl(job.run / "metrics.jsonl")
    assert all(row["rows_updated"] == 2 * 8 for row in rows), "two informative groups in each step"
    assert any(row["batches_tried"] > 1 for row in rows)
    assert all(row["groups"] == 2 * row["batches_tried"] for row in rows), "figures are of all that was rolled out"


def test_a_run_that_draws_again_resumes_where_the_stream_was(tmp_path: Path, qwen25: Path) -> None:
    whole = make_job(tmp_path, qwen25, run="whole", train__steps=4, **AGAIN)
    train(whole)
    for steps in (2, 4):
        parts = make_job(tmp_path, qwen25, run="parts", train__steps=steps, **AGAIN)
        train(parts)
    one, two = (read_jsonl(job.run / "metrics.jsonl") for job in (whole, parts))
    for left, right in zip(one, two, strict=True):
        assert left["loss"] == right["loss"] and left["batches_tried"] == right["batches_tried"]
    assert (whole.run / "policy" / "model.safetensors").read_bytes() == (
        parts.run / "policy" / "model.safetensors").read_bytes()


def test_a_constant_reward_stops_at_the_cap_and_says_what_was_tried(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, bundles=4, train__zero_std="resample", train__resample_batches=3,
                   train__rewards={"constant": 1.0})
    with pytest.raises(StoppedError) as caught:
        train(job)
    assert caught.value.code == 4
    assert "3 batches tried, 0 of 6 groups had two different rewards" in caught.value.what
    assert "Is the reward constant?" in caught.value.do
    tried = read_jsonl(job.run / "rollouts.jsonl")
    assert len(tried) == 6 and {line["reward"] for line in tried} == {0.25}, "what the message says to look at"
    assert not (job.run / "last_item.json").exists(), "nobody was killed"


def test_a_kl_in_the_reward_changes_the_reward_and_not_the_loss_term(tmp_path: Path, qwen25: Path) -> None:
    """Before the first update policy and reference are one: nothing is charged. Later the reward falls by beta KL."""
    job = make_job(tmp_path, qwen25, train__steps=3, train__kl_beta=0.2, train__kl_in="reward",
                   train__kl_estimator="k1", train__learning_rate=1e-2)
    train(job)
    rows = read_jsonl(job.run / "metrics.jsonl")
    assert rows[0]["reward_mean"] == pytest.approx(rows[0]["reward_busy"], abs=1e-4)
    last = rows[-1]
    charged = 0.2 * last["kl"] * last["completion_tokens"] / last["rollouts"]
    assert abs(charged) > 1e-3
    assert last["reward_busy"] - last["reward_mean"] == pytest.approx(charged, abs=1e-6)


@pytest.mark.parametrize("zero_std", ["keep", "drop"])
def test_a_kl_in_the_reward_does_not_feign_variance(tmp_path: Path, qwen25: Path, zero_std: str) -> None:
    job = make_job(tmp_path, qwen25, train__steps=3, train__kl_beta=0.2, train__kl_in="reward",
                   train__learning_rate=1e-2, train__rewards={"constant": 0.5, "busy": 0.0}, train__zero_std=zero_std)
    train(job)
    rows = read_jsonl(job.run / "metrics.jsonl")
    assert all(row["frac_zero_std"] == 1 for row in rows), "what was earned is all equal"
    assert zero_std == "keep" or all(row["rows_updated"] == 0 for row in rows)


def test_a_kl_that_is_charged_hides_no_variant_of_equal_rewards(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step moves the policy; from the second on everything earns the same and is charged differently."""
    calls: list[None] = []

    def early(sample: Sample, reply: Reply) -> float:
        calls.append(None)
        return busy(sample, reply) if len(calls) <= 16 else 0.5

    monkeypatch.setitem(REWARDS, "early", early)
    job = make_job(tmp_path, qwen25, train__steps=2, train__kl_beta=0.2, train__kl_in="reward",
                   train__learning_rate=1e-2, train__rewards={"early": 1.0})
    train(job)
    first, second = read_jsonl(job.run / "metrics.jsonl")
    assert first["frac_zero_std_per_variant"] < 1 and second["reward_var_within"] > 0
    assert second["frac_zero_std"] == second["frac_zero_std_per_variant"] == 1


@pytest.mark.parametrize("changes", [
    {"train__dtype": "mixed"}, {"train__gradient_checkpointing": True}, {"train__sampled_cap": 2.0},
    {"train__top_k": 5, "train__min_new_tokens": 6}, {"train__kl_beta": 0.1, "train__kl_estimator": "k2"},
    {"train__advantage_baseline": "leave_one_out", "train__advantage_scale": "none", "train__loss": "reinforce"},
])
def test_every_setting_trains_and_moves_the_weights(tmp_path: Path, qwen25: Path, changes: dict[str, Any]) -> None:
    job = make_job(tmp_path, qwen25, train__steps=2, **changes)
    outcome = train(job)
    rows = read_jsonl(job.run / "metrics.jsonl")
    assert outcome.step == 2 and all(row["grad_norm"] > 0 and row["skipped"] == 0 for row in rows)
    if "train__min_new_tokens" in changes:
        assert all(row["completion_len_mean"] == 6 for row in rows)


def test_rewards_that_never_come_stop_the_run_at_once(tmp_path: Path, qwen25: Path) -> None:
    with pytest.raises(StoppedError, match="16 of 16 rollouts have no reward"):
        train(make_job(tmp_path, qwen25, train__rewards={"none": 1.0}))

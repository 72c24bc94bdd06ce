"""Contrast views are rolled out and scored and leave no trace in what is trained; annealing keeps the sums."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from training_world import busy, make_job, small_config

from strive.cache.digest import digest_file
from strive.cache.ledger import read_jsonl
from strive.configs.errors import UsageError
from strive.stages.train.engine.split import annealed, chance
from strive.stages.train.reward.rewards import REWARDS
from strive.stages.train.stage import train

CONTRAST = {"variants__contrast": ["phase"], "train__contrast_rollouts": 2}


def test_contrast_rollouts_are_generated_and_change_nothing_in_what_is_trained(tmp_path: Path, qwen25: Path) -> None:
    plain = train(make_job(tmp_path, qwen25, run="plain", train__steps=2))
    beside = train(make_job(tmp_path, qwen25, run="beside", train__steps=2, **CONTRAST))
    assert digest_file(plain.policy / "model.safetensors") == digest_file(beside.policy / "model.safetensors")
    ledgers = [read_jsonl(tmp_path / run / "metrics.jsonl") for run in ("plain", "beside")]
    for before, after in zip(*ledgers, strict=True):
        assert after["rollouts"] == before["rollouts"] == before["rollouts_generated"] == 16
        assert after["rollouts_generated"] == 20
        assert 0 <= after["accuracy_contrast"] <= 1 and "accuracy_contrast" not in before
        assert after["visual_tokens"] > before["visual_tokens"]
        assert {key: after[key] for key in ("loss", "reward_mean", "adv_var_within", "grad_norm")} == {
            key: before[key] for key in ("loss", "reward_mean", "adv_var_within", "grad_norm")}


@pytest.mark.parametrize("changes", [
    {"train__contrast_rollouts": 2},
    {"variants__contrast": ["phase", "draw"], "train__contrast_rollouts": 3},
])
def test_contrast_rollouts_need_views_that_they_divide_over(tmp_path: Path, qwen25: Path, changes: dict) -> None:
    with pytest.raises(UsageError, match="contrast"):
        train(make_job(tmp_path, qwen25, **changes))


def test_the_chance_falls_from_one_to_zero() -> None:
    for curve in ("linear", "cosine", "sigmoid"):
        config = small_config(train__anneal=curve, train__anneal_steps=10).train
        chances = [chance(config, step) for step in range(13)]
        assert chances[0] == pytest.approx(1, abs=1e-6) and chances[5] == pytest.approx(0.5)
        assert chances[10:] == [0, 0, 0] and chances == sorted(chances, reverse=True)
    assert chance(small_config().train, 10**9) == 1


def test_annealing_moves_whole_variants_to_the_first_and_keeps_the_sum() -> None:
    config = small_config(train__anneal="linear", train__anneal_steps=100, train__rollouts=8).train
    splits = {step: [annealed(8, 4, config, step, f"q{n}") for n in range(400)] for step in (0, 25, 75, 100)}
    assert all(sum(split) == 8 and set(split[1:]) <= {0, 2} for made in splits.values() for split in made)
    assert splits[0] == [[2, 2, 2, 2]] * 400 and splits[100] == [[8, 0, 0, 0]] * 400
    kept = {step: sum(count > 0 for split in made for count in split[1:]) / 1200 for step, made in splits.items()}
    assert kept[25] == pytest.approx(0.75, abs=0.05) and kept[75] == pytest.approx(0.25, abs=0.05)
    other = replace_seed(config, 1)
    assert splits[25] == [annealed(8, 4, config, 25, f"q{n}") for n in range(400)]
    assert splits[25] != [annealed(8, 4, other, 25, f"q{n}") for n in range(400)]


def replace_seed(config, seed: int):  # type: ignore[no-untyped-def]
    return config.model_copy(update={"seed": seed})


def test_an_annealed_run_ends_on_the_first_variant_alone(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__steps=3, train__anneal="linear", train__anneal_steps=2)
    train(job)
    rows = read_jsonl(job.run / "metrics.jsonl")
    assert [row["rollouts"] for row in rows] == [16, 16, 16]
    assert rows[2]["visual_tokens"] * 4 == rows[0]["visual_tokens"]
    assert {line["variant"] for line in read_jsonl(job.run / "rollouts.jsonl") if line["step"] == 3} == {0}


def test_annealing_over_so_many_steps_that_none_has_passed_is_no_annealing(tmp_path: Path, qwen25: Path) -> None:
    plain = train(make_job(tmp_path, qwen25, run="plain", train__steps=1))
    far = train(make_job(tmp_path, qwen25, run="far", train__steps=1, train__anneal="linear",
                         train__anneal_steps=10**6))
    before, after = (load_file(one.policy / "model.safetensors") for one in (plain, far))
    assert all((before[name] == after[name]).all() for name in before)


def test_t_grpo_adds_its_bonus_to_the_rewards_that_are_normalised(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "accuracy", busy)
    job = make_job(tmp_path, qwen25, train__steps=2, variants__count=1, variants__contrast=["shuffle"],
                   train__contrast_rollouts=4, train__rewards={"accuracy": 1.0},
                   train__group_rewards={"temporal": 0.3, "length_band": 0.2}, train__length_band=[1, 6])
    train(job)
    rows = read_jsonl(job.run / "metrics.jsonl")
    for row in rows:
        assert row["rollouts"] == 16 and row["rollouts_generated"] == 24
        parts = row["reward_accuracy"] + 0.3 * row["reward_temporal"] + 0.2 * row["reward_length_band"]
        assert row["reward_mean"] == pytest.approx(parts, abs=1e-9)
        assert row["reward_length_band"] > 0
    for line in read_jsonl(job.run / "rollouts.jsonl"):
        parts = line["rewards"]
        assert line["reward"] == pytest.approx(parts["accuracy"] + 0.3 * parts["temporal"] + 0.2 * parts["length_band"])

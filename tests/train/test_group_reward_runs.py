"""Runs with group rewards: the bonus is trained on, in the metrics and in the ledger; faults are told."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from training_world import Notes, make_job

from strive.cache.ledger import read_jsonl
from strive.configs.errors import StoppedError, UsageError
from strive.stages.train.stage import train

pytest_plugins = ["own_code"]
Write = Callable[[str], str]
BESIDE: dict[str, Any] = {"variants__count": 2, "variants__contrast": ["shuffle"], "train__contrast_rollouts": 4}


def test_a_group_reward_sees_every_rollout_of_its_question_and_is_trained_on(
    tmp_path: Path, qwen25: Path, write: Write
) -> None:
    module = write("""
        seen = []
        def last(group):
            seen.append((group.sample.id, [m.variant_id for m in group.trained], [m.text for m in group.trained],
                         len(group.contrast)))
            return [float(place == 7) for place in range(len(group.trained))]
    """)
    name = f"{module}:last"
    outcome = train(make_job(tmp_path, qwen25, train__steps=1, train__rewards={"busy": 0.0},
                             train__group_rewards={name: 2.0}, **BESIDE))
    seen = sys.modules[module].seen
    assert len({sample for sample, *_ in seen}) == len(seen) == 2
    assert all(variants == [0] * 4 + [1] * 4 and beside == 4 for _, variants, _, beside in seen)
    (row,) = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert row[f"reward_{name}"] == 1 / 8 and row["reward_mean"] == pytest.approx(2 / 8) and row["frac_zero_std"] == 0
    best = [line for line in read_jsonl(tmp_path / "run" / "rollouts.jsonl") if line["rank"] == "best"]
    assert {line["id"]: line["reply"] for line in best} == {sample: texts[7] for sample, _, texts, _ in seen}
    assert all(line["reward"] == 2.0 and line["rewards"][name] == 1.0 for line in best)
    assert outcome.metrics["grad_norm"] > 0


def test_temporal_and_length_band_are_in_the_metrics(tmp_path: Path, qwen25: Path) -> None:
    train(make_job(tmp_path, qwen25, train__steps=1, train__group_rewards={"temporal": 0.3, "length_band": 0.2},
                   **BESIDE))
    (row,) = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert 0 <= row["reward_temporal"] <= 1 and row["reward_length_band"] == 0 and row["rollouts_generated"] == 24


def test_temporal_without_contrast_rollouts_is_refused_before_anything_is_made(tmp_path: Path, qwen25: Path) -> None:
    with pytest.raises(UsageError, match="temporal with"):
        train(make_job(tmp_path, qwen25, train__group_rewards={"temporal": 0.3}))
    assert not (tmp_path / "run").exists()


def test_a_group_that_fails_is_left_out_and_told_by_name(tmp_path: Path, qwen25: Path, write: Write) -> None:
    name = write("""
        calls = []
        def odd(group):
            calls.append(1)
            if len(calls) == 1: raise KeyError("first")
            return [float(place) for place, member in enumerate(group.trained)]
    """) + ":odd"
    notes = Notes()
    outcome = train(make_job(tmp_path, qwen25, train__steps=1, train__group_rewards={name: 1.0},
                             train__max_bad_rewards=0.6, reporter=notes))
    assert outcome.metrics["bad_rewards"] == 8 and outcome.metrics["grad_norm"] > 0
    assert any(f"group reward {name} raised KeyError: 'first'" in line for line in notes.lines)


def test_groups_that_all_fail_stop_the_run_and_say_why(tmp_path: Path, qwen25: Path, write: Write) -> None:
    name = write("def bad(group): return [float('nan')] * len(group.trained)") + ":bad"
    with pytest.raises(StoppedError, match=f"{name}: 16 x not finite"):
        train(make_job(tmp_path, qwen25, train__group_rewards={name: 1.0}))


def test_a_wrong_length_stops_the_run_at_its_first_batch(tmp_path: Path, qwen25: Path, write: Write) -> None:
    name = write("def short(group): return [1.0]") + ":short"
    with pytest.raises(UsageError, match="returned 1 values for 8 trained members"):
        train(make_job(tmp_path, qwen25, train__group_rewards={name: 1.0}))
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_changed_group_reward_is_refused_by_name(tmp_path: Path, qwen25: Path, write: Write) -> None:
    text = "def place(group): return [float(i) for i, _ in enumerate(group.trained)]"
    module = write(text)
    settings: dict[str, Any] = {"train__checkpoint_every": 1, "train__group_rewards": {f"{module}:place": 1.0}}
    train(make_job(tmp_path, qwen25, train__steps=1, **settings))
    again = make_job(tmp_path, qwen25, train__steps=2, **settings)
    (tmp_path / f"{module}.py").write_text("def place(group): return [1.0 for _ in group.trained]")
    with pytest.raises(UsageError, match="other settings") as caught:
        train(again)
    assert f"{module}:place" in caught.value.what
    (tmp_path / f"{module}.py").write_text(text)
    assert train(again).step == 2

"""A whole run: what it leaves behind, what it refuses, and what it says when there is nothing to do."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open
from training_world import Notes, busy, make_job

from strive.cache.ledger import read_jsonl
from strive.configs.errors import LockedError, MissingError, StoppedError, UsageError, VerificationError
from strive.stages.train.reward.rewards import REWARDS
from strive.stages.train.stage import train

FIELDS = {
    "step", "loss", "reward_mean", "reward_std", "accuracy", "format_rate", "frac_zero_std", "frac_zero_std_accuracy",
    "frac_zero_std_per_variant", "adv_var_within", "adv_var_between", "kl", "entropy", "clip_frac", "grad_norm", "lr",
    "completion_len_mean", "rollout_s", "update_s", "step_s", "visual_tokens", "encoder_calls", "peak_rss_bytes",
}


@pytest.mark.parametrize("family", ["qwen25", "qwen3"])
def test_both_families_train_from_the_same_bundles(
    tmp_path: Path, family: str, request: pytest.FixtureRequest
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model: Path = request.getfixturevalue(family)
    job = make_job(tmp_path, model, train__steps=2)
    outcome = train(job)
    assert (outcome.steps_done, outcome.step, outcome.resumed_from, outcome.failed) == (2, 2, None, [])
    rows = read_jsonl(job.run / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2] and set(rows[0]) >= FIELDS
    for row in rows:
        assert row["encoder_calls"] == 8 and row["grad_norm"] > 0 and row["logprob_gap_max"] < 1e-4
        assert row["kl"] is None and row["entropy"] > 0 and row["visual_tokens"] > 0 and row["peak_rss_bytes"] > 1e6
    old, new = (AutoModelForImageTextToText.from_pretrained(folder) for folder in (model, outcome.policy))
    assert AutoProcessor.from_pretrained(outcome.policy).video_processor is not None
    moved = {name for name, p in new.named_parameters() if not torch.equal(p, dict(old.named_parameters())[name])}
    assert moved and not any("visual" in name for name in moved)


def test_training_raises_the_reward(tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reward: the share of characters that are letters; random models write about a third of them."""
    def letters(sample: Any, reply: Any) -> float:
        return sum(map(str.isalpha, reply.raw)) / max(len(reply.raw), 1)

    monkeypatch.setitem(REWARDS, "letters", letters)
    train(make_job(tmp_path, qwen25, train__steps=24, train__learning_rate=5e-3, train__rewards={"letters": 1.0},
                   train__checkpoint_every=24))
    rewards = [row["reward_mean"] for row in read_jsonl(tmp_path / "run" / "metrics.jsonl")]
    assert sum(rewards[-6:]) / 6 > sum(rewards[:6]) / 6 + 0.15, rewards


def test_rollouts_show_the_best_and_the_worst_of_each_group(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__steps=2)
    train(job)
    rows = read_jsonl(job.run / "rollouts.jsonl")
    groups: dict[tuple[int, str], dict[str, Any]] = {}
    for row in rows:
        groups.setdefault((row["step"], row["id"]), {})[row["rank"]] = row
        assert len(row["times"]) == 4 and row["times"] == sorted(row["times"])
        assert row["rewards"] == {"busy": pytest.approx(row["reward"])}
        assert 0 <= row["variant"] < 4 and row["group_size"] == 8
    assert len(groups) == 4
    for group in groups.values():
        assert group["best"]["reward"] > group["worst"]["reward"]
        assert group["best"]["advantage"] > 0 > group["worst"]["advantage"]


def test_the_config_names_the_source_of_each_value_and_can_be_used_again(tmp_path: Path, qwen25: Path) -> None:
    job = replace(make_job(tmp_path, qwen25, train__steps=1), sources={"train.steps": "--set"})
    train(job)
    text = (job.run / "config.yaml").read_text()
    assert "  steps: 1  # --set\n" in text and "  seed: 0  # default\n" in text
    from strive.configs.load import load

    assert load(config_files=[job.run / "config.yaml"], env={}).config == job.config
    assert yaml.safe_load(text)["train"]["learning_rate"] == 1e-3


def test_checkpoints_and_policy_carry_no_path_time_host_or_second_metadata_key(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__steps=2)
    outcome = train(job)
    files = [f for folder in (outcome.policy, job.run / "checkpoints") for f in folder.rglob("*") if f.is_file()]
    assert len(files) > 10
    for file in files:
        content = file.read_bytes()
        for secret in (str(tmp_path), str(qwen25), os.uname().nodename, time.strftime("%Y-%m-%d")):
            assert len(secret) < 4 or secret.encode() not in content, (file, secret)
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                assert len(opened.metadata() or {}) <= 1


def test_two_runs_give_the_same_bytes(tmp_path: Path, qwen25: Path) -> None:
    jobs = [make_job(tmp_path, qwen25, run=name) for name in ("a", "b")]
    policies = [train(job).policy for job in jobs]
    for name in ("model.safetensors", "config.json", "manifest.json"):
        assert (policies[0] / name).read_bytes() == (policies[1] / name).read_bytes()
    names = sorted(p.relative_to(jobs[0].run) for p in (jobs[0].run / "checkpoints").rglob("*") if p.is_file())
    assert len(names) == 12
    for name in names:
        assert (jobs[0].run / name).read_bytes() == (jobs[1].run / name).read_bytes(), name


FINISHED = """
import sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
from training_world import make_job
from strive.stages.train.stage import train
job = make_job(Path({folder!r}), {model!r}, train__steps=1)
before = set(sys.modules)
started = time.perf_counter()
outcome = train(job)
print(outcome.steps_done, time.perf_counter() - started, "torch" in sys.modules, "torch" in before)
"""


def test_a_finished_run_has_nothing_to_do_at_once_and_without_torch(tmp_path: Path, qwen25: Path) -> None:
    train(make_job(tmp_path, qwen25, train__steps=1))
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "run").rglob("*") if f.is_file()}
    here = Path(__file__).parent
    script = FINISHED.format(paths=[str(here), str(here.parent)], folder=str(tmp_path), model=str(qwen25))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    steps, seconds, torch_after, torch_before = done.stdout.split()
    assert steps == "0" and float(seconds) < 0.5
    assert (torch_after, torch_before) == ("False", "False")
    assert before == {f: f.stat().st_mtime_ns for f in before}


def test_too_few_bundles_stop_before_the_model_loads(tmp_path: Path) -> None:
    for count in (0, 1):
        with pytest.raises(MissingError, match=f"{count} usable bundles") as caught:
            train(make_job(tmp_path, "/nowhere/at/all", bundles=count))
        assert caught.value.code == 5


def test_a_damaged_bundle_is_refused_with_exit_6(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    file = job.bundles[3][1].path / "bundle.h5"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.chmod(0o644)
    file.write_bytes(data)
    with pytest.raises(VerificationError, match="strive cache verify") as caught:
        train(job)
    assert caught.value.code == 6 and not (job.run / "metrics.jsonl").exists()


def test_prompts_that_are_too_long_are_a_listed_skip(tmp_path: Path, qwen25: Path) -> None:
    job, notes = make_job(tmp_path, qwen25, train__steps=2), Notes()
    long = make_job(tmp_path, qwen25, variants__frames=12).bundles[4]
    mixed = replace(job, bundles=[*job.bundles[:4], long], reporter=notes)
    lengths = read_prompt_lengths(mixed, qwen25)
    limit = sorted(lengths.values())[-2]
    assert lengths["q4"] > limit
    settings = mixed.config.train.model_copy(update={"max_prompt_tokens": limit})
    outcome = train(replace(mixed, config=mixed.config.model_copy(update={"train": settings})))
    assert outcome.failed == [{"id": "q4", "reason": f"prompt of {lengths['q4']} tokens, more than "
                                                     f"train.max_prompt_tokens = {limit}"}]
    assert any("1 of 5 samples are left out" in line for line in notes.lines)
    assert "q4" not in {row["id"] for row in read_jsonl(mixed.run / "rollouts.jsonl")}


def read_prompt_lengths(job: Any, model: Path) -> dict[str, int]:
    from strive.stages.tasks.prompt import PROMPT_FORMATS
    from strive.stages.train.questions.prompt_plan import longest_prompt
    from strive.stages.vlm.load import load_policy

    policy = load_policy(str(model), max_pixels=3136, min_pixels=784)
    return {name: longest_prompt(policy, artefact.path / "bundle.h5", PROMPT_FORMATS["think_answer"])
            for name, artefact in job.bundles}


def test_a_reward_without_a_number_is_counted_and_the_others_train_on(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def sometimes(sample: Any, reply: Any) -> float:
        seen.append(reply.raw)
        return float("nan") if len(seen) == 3 else busy(sample, reply)

    monkeypatch.setitem(REWARDS, "sometimes", sometimes)
    notes = Notes()
    outcome = train(make_job(tmp_path, qwen25, train__steps=1, train__rewards={"sometimes": 1.0}, reporter=notes))
    assert outcome.metrics["bad_rewards"] == 1 and outcome.metrics["grad_norm"] > 0
    assert any("reward sometimes gave no finite number for 1 of 16" in line for line in notes.lines)


def test_too_many_rewards_without_a_number_stop_the_run(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "never", lambda sample, reply: float("inf"))
    with pytest.raises(StoppedError, match="of .* rollouts have no reward") as caught:
        train(make_job(tmp_path, qwen25, train__steps=50, train__rewards={"never": 1.0}))
    assert caught.value.code == 4


@pytest.mark.parametrize(("changes", "message"), [
    ({"train__rewards": {"acuracy": 1.0}}, "Did you mean accuracy"), ({"train__loss": "dap"}, "Did you mean dapo"),
    ({"train__prompt_format": "think_answr"}, "Did you mean think_answer"),
    ({"train__rollouts": 6}, "a multiple of the variants"),
    ({"train__rollouts": 4, "train__advantage_scope": "per_variant"}, "one has no mean"),
])
def test_wrong_settings_are_refused_in_words(
    tmp_path: Path, qwen25: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(make_job(tmp_path, qwen25, **changes))


def test_an_evaluation_s_folder_is_not_a_training_run(tmp_path: Path, qwen25: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text("{}")
    with pytest.raises(UsageError, match="this is an evaluation"):
        train(make_job(tmp_path, qwen25))


def test_a_run_in_use_is_locked(tmp_path: Path, qwen25: Path) -> None:
    from strive.cache.lock import hold

    job = make_job(tmp_path, qwen25)
    script = "import sys, time; from pathlib import Path; from strive.cache.lock import hold\n" \
             "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", script, str(job.run / ".lock")], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(LockedError) as caught:
            train(job)
        assert caught.value.code == 7
    finally:
        other.kill()
        other.wait()
    with hold(job.run / ".lock", timeout_s=5):
        pass


def test_the_best_policy_is_kept_beside_the_last_checkpoints(tmp_path: Path, qwen25: Path) -> None:
    scores = {2: 0.3, 4: 0.7, 6: 0.7}
    job = make_job(tmp_path, qwen25, train__steps=6, train__eval_every=2,
                   evaluate=lambda policy, step: {"accuracy": scores[step], "n": 9, "note": "text"})
    outcome = train(job)
    assert outcome.best == job.run / "best"
    assert json.loads((job.run / "best.json").read_text()) == {"step": 4, "accuracy": 0.7}
    rows = {row["step"]: row for row in read_jsonl(job.run / "metrics.jsonl")}
    assert [rows[s].get("eval_accuracy") for s in range(1, 7)] == [None, 0.3, None, 0.7, None, 0.7]
    assert sorted(p.name for p in (job.run / "checkpoints").iterdir()) == ["step_000004", "step_000006"]
    at_four = (job.run / "checkpoints" / "step_000004" / "model.safetensors").read_bytes()
    with safe_open(outcome.best / "model.safetensors", "pt") as best:
        weights = {name: best.get_tensor(name) for name in best.keys()}  # noqa: SIM118 (not a dict)
    from safetensors.torch import load as load_tensors

    for name, tensor in load_tensors(at_four).items():
        if name in weights:
            assert torch.equal(weights[name], tensor)


def test_lora_trains_only_the_adapter_and_the_policy_has_it_merged(tmp_path: Path, qwen25: Path) -> None:
    pytest.importorskip("peft")
    from transformers import AutoModelForImageTextToText

    job = make_job(tmp_path, qwen25, train__steps=2, train__lora_rank=2, train__kl_beta=0.1)
    outcome = train(job)
    assert outcome.metrics["kl"] is not None
    assert (job.run / "adapter" / "adapter_model.safetensors").is_file()
    new = AutoModelForImageTextToText.from_pretrained(outcome.policy)
    assert not [name for name, _ in new.named_parameters() if "lora" in name]
    checkpoint = job.run / "checkpoints" / "step_000002" / "model.safetensors"
    with safe_open(checkpoint, "pt") as opened:
        names = list(opened.keys())
    assert all("lora" in name for name in names if "inv_freq" not in name)


def test_tensorboard_shows_the_rows_and_a_broken_one_does_not_stop_training(tmp_path: Path, qwen25: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    job = make_job(tmp_path, qwen25, train__steps=2)
    train(job)
    train(make_job(tmp_path, qwen25, train__steps=3))
    shown = EventAccumulator(str(job.run / "tensorboard")).Reload().Scalars("reward_mean")
    rows = read_jsonl(job.run / "metrics.jsonl")
    assert [event.step for event in shown] == [1, 2, 3]
    assert [event.value for event in shown] == pytest.approx([row["reward_mean"] for row in rows])
    notes = Notes()
    blocked = replace(make_job(tmp_path, qwen25, run="blocked", train__steps=1), reporter=notes)
    blocked.run.mkdir()
    (blocked.run / "tensorboard").write_text("a file where the folder should be")
    assert train(blocked).step == 1
    assert sum("no TensorBoard events" in line for line in notes.lines) == 1

"""Vision once: a frozen tower's features are computed once ever, kept beside the bundles and checked at each read."""

from pathlib import Path
from typing import Any

import pytest
import torch
from training_world import Notes, assert_same
from vision_world import SHOWN, VIEWS, assert_same_example, examples, kept, loaded, make_job, model_of, store_of

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import ItemError, UsageError
from strive.stages.bundle import reader
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train.questions.examples import Examples
from strive.stages.train.stage import train
from strive.stages.train.vision.cache import STAGE, VisionCache
from strive.stages.train.vision.identity import Identity, tower_digest
from strive.stages.train.vision.plan import open_cache


def calls(run: Path) -> int:
    return sum(row["encoder_calls"] for row in read_jsonl(run / "metrics.jsonl"))


@pytest.mark.parametrize(("family", "pairing", "dtype"), SHOWN)
def test_features_come_back_bit_for_bit_with_all_levels_and_without_a_pixel(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, family: str, pairing: str, dtype: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = make_job(tmp_path, model_of(tmp_path_factory, family), bundles=2, variants__frames=5, train__dtype=dtype,
                   train__frame_pairing=pairing)
    policy = loaded(job)
    plain = Examples(policy, dict(job.bundles), PROMPT_FORMATS["think_answer"], job.config.train)
    first = examples(job, policy)
    for name, _ in job.bundles:
        assert_same_example(plain.get(name), first.get(name))
    again = examples(job, loaded(job))

    def never(*_: Any) -> None:
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr(reader, "decode", never)
    for name, _ in job.bundles:
        found = again.get(name)
        assert_same_example(plain.get(name), found)
        assert all(view.inputs.pixel_values is None for view in found.views)
    features = found.views[0].features
    assert features is not None and len(features.deepstack) == (2 if family == "qwen3_vl" else 0)
    assert str(features.tokens.dtype) == f"torch.{dtype}" and again.policy.encoder_calls == 0


def test_a_second_run_runs_no_vision_compute_and_gives_the_bytes_of_a_run_without_the_cache(
    tmp_path: Path, qwen25: Path
) -> None:
    short = {"train__steps": 3, "train__checkpoint_every": 3}
    train(make_job(tmp_path, qwen25, run="off", **short | {"train__vision_cache": "off"}))
    assert not list(Store(tmp_path / "cache").entries(STAGE))
    for run in ("first", "second"):
        train(make_job(tmp_path, qwen25, run=run, **short))
        assert_same(tmp_path / "off", tmp_path / run)
    assert calls(tmp_path / "first") == calls(tmp_path / "off") > 0 == calls(tmp_path / "second")


def test_encoder_calls_are_the_views_whatever_the_group_the_epochs_and_the_passes(tmp_path: Path, qwen25: Path) -> None:
    for number, changes in enumerate(({"train__rollouts": 4},
                                      {"train__rollouts": 16, "train__inner_epochs": 2, "train__kl_beta": 0.1})):
        job = make_job(tmp_path / str(number), qwen25, train__steps=2, train__prompts_per_step=5, **changes)
        train(job)
        assert calls(job.run) == VIEWS


def test_what_leaves_memory_is_read_back_instead_of_encoded_again(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    tight = examples(job, loaded(job))
    for _epoch in range(3):
        for name, _ in job.bundles:
            tight.get(name)
    assert tight.policy.encoder_calls == VIEWS and len(kept(job)) == 5


def test_weights_of_the_tower_are_the_key_and_those_of_the_language_model_are_not(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    policy = loaded(job)
    examples(job, policy).get("q0")
    with torch.no_grad():
        policy.core.lm_head.weight += 1
    policy.save(tmp_path / "taught")
    taught = examples(job, loaded(job, tmp_path / "taught"))
    taught.get("q0")
    assert taught.policy.encoder_calls == 0
    with torch.no_grad():
        tower = policy.adapter.tower(policy.core)
        list(tower.parameters())[-1].view(-1)[0] += 1e-3
    policy.save(tmp_path / "other")
    other = examples(job, loaded(job, tmp_path / "other"))
    other.get("q0")
    assert other.policy.encoder_calls == 4 and len(kept(job)) == 2


def test_the_tower_s_digest_sees_names_shapes_dtypes_and_bytes() -> None:
    def tower(**weights: torch.Tensor) -> torch.nn.Module:
        made = torch.nn.Module()
        for name, weight in weights.items():
            made.register_buffer(name, weight)
        return made

    zeros = torch.zeros(2, 3)
    others = [tower(b=zeros), tower(a=torch.zeros(3, 2)), tower(a=torch.zeros(2, 3, dtype=torch.int32)),
              tower(a=torch.full((2, 3), 1e-40)), tower(a=zeros, b=torch.zeros(()))]
    digests = {tower_digest(one) for one in [tower(a=zeros), tower(a=zeros.clone()), *others]}
    assert len(digests) == 1 + len(others)


def test_settings_that_decide_features_are_in_the_key_and_the_wording_is_not(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    policy = loaded(job)
    examples(job, policy).get("q0")
    reworded = examples(job, policy, prompt="direct")
    before = policy.encoder_calls
    worded = reworded.get("q0")
    assert policy.encoder_calls == before
    assert len(worded.views[0]) != len(examples(job, policy).get("q0").views[0])
    finer = make_job(tmp_path, qwen25, train__max_pixels=6272)
    found = examples(finer, loaded(finer))
    found.get("q0")
    assert found.policy.encoder_calls == 4


def test_a_tower_that_is_trained_is_refused(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, train__freeze_vision=False)
    policy, bundles = loaded(job, freeze_vision=False), dict(job.bundles)
    assert open_cache(policy, bundles, job.config.train, job.run, Notes()) is None
    with pytest.raises(UsageError, match="trained"):
        VisionCache(store_of(job), policy, Identity.of(policy, job.config.train), Notes())
    frozen = examples(make_job(tmp_path, qwen25), loaded(job))
    frozen.get("q0")
    frozen.policy.adapter.tower(frozen.policy.core).requires_grad_(True)
    with pytest.raises(UsageError, match="trained"):
        frozen.get("q1")


def test_lora_leaves_the_tower_frozen_so_its_features_are_kept(tmp_path: Path, qwen25: Path) -> None:
    pytest.importorskip("peft")
    job = make_job(tmp_path, qwen25, train__freeze_vision=False, train__lora_rank=2)
    examples(job, loaded(job, freeze_vision=False, lora_rank=2)).get("q0")
    plain = examples(job, loaded(job))
    plain.get("q0")
    assert plain.policy.encoder_calls == 0


def test_a_prompt_that_is_too_long_is_left_out_though_its_features_are_kept(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    examples(job, loaded(job)).get("q0")
    short = make_job(tmp_path, qwen25, train__max_prompt_tokens=10)
    with pytest.raises(ItemError, match="max_prompt_tokens"):
        examples(short, loaded(short)).get("q0")

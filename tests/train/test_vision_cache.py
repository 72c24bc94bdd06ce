"""Vision once: a frozen tower's features are computed once ever, kept beside the bundles and checked at each read."""

import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from tiny_models import FAMILIES, make_tiny_model
from training_world import Notes, assert_same, exit_code
from training_world import make_job as job_with

from strive.cache import disk, fault
from strive.cache.gc import find_garbage
from strive.cache.ledger import read_jsonl
from strive.cache.store import Artefact, Store
from strive.cache.verify import verify
from strive.configs.errors import ItemError, UsageError, VerificationError
from strive.stages.bundle import reader
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train.examples import Examples
from strive.stages.train.job import TrainJob
from strive.stages.train.rollout import Example
from strive.stages.train.stage import train
from strive.stages.train.vision_cache import FILE, STAGE, Kept, VisionCache, packed
from strive.stages.train.vision_identity import Identity, tower_digest
from strive.stages.train.vision_plan import adapter_without_weights, bound, open_cache, plan_line, plan_lines
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.policy import Policy

VIEWS = 5 * 4  # questions x variants of `make_job`
SHOWN = [*((family, "video", "float32") for family in FAMILIES), ("qwen3_vl", "video", "bfloat16"),
         ("internvl", "video", "bfloat16"), ("qwen2_5_vl", "images", "float32"), ("qwen3_vl", "repeat", "bfloat16")]


def make_job(folder: Path, model: Path | str, **changes: Any) -> TrainJob:
    """A job that keeps features."""
    return job_with(folder, model, **{"train__vision_cache": "auto", **changes})


def loaded(job: TrainJob, model: Path | None = None, **options: Any) -> Policy:
    """The job's policy, its tower frozen."""
    train_config = job.config.train
    settings = {"trainable": True, "max_pixels": train_config.max_pixels, "min_pixels": train_config.min_pixels,
                "frame_pairing": train_config.frame_pairing, "dtype": train_config.dtype}
    return load_policy(str(model or job.model), **{**settings, **options})


def examples(job: TrainJob, policy: Policy, notes: Notes | None = None, cache_bytes: int = 1,
             prompt: str = "think_answer") -> Examples:
    """Examples over kept features, with room for one question in memory unless told otherwise."""
    bundles = dict(job.bundles)
    vision = open_cache(policy, bundles, job.config.train, job.run, notes or Notes())
    assert vision is not None
    return Examples(policy, bundles, PROMPT_FORMATS[prompt], job.config.train, cache_bytes, vision)


def store_of(job: TrainJob) -> Store:
    return Store(job.run.parent / "cache")


def kept(job: TrainJob) -> list[Artefact]:
    return list(store_of(job).entries(STAGE))


def tampered(artefact: Artefact, place: int) -> None:
    """Flip a bit of the features' file."""
    file = artefact.path / FILE
    data = bytearray(file.read_bytes())
    data[place] ^= 4
    file.chmod(0o644)
    file.write_bytes(data)


def calls(run: Path) -> int:
    return sum(row["encoder_calls"] for row in read_jsonl(run / "metrics.jsonl"))


def assert_same_example(one: Example, two: Example) -> None:
    """Equal prompts and bit-equal features."""
    for left, right in zip(one.views, two.views, strict=True):
        for name in ("input_ids", "position_ids", "mm_token_type_ids", "grid_thw"):
            assert torch.equal(getattr(left.inputs, name), getattr(right.inputs, name)), name
        assert left.inputs.next_position == right.inputs.next_position
        assert left.inputs.visual_tokens == right.inputs.visual_tokens and left.inputs.extra == right.inputs.extra
        assert left.features is not None and right.features is not None
        levels = [(left.features.tokens, right.features.tokens),
                  *zip(left.features.deepstack, right.features.deepstack, strict=True)]
        for mine, yours in levels:
            assert mine.dtype == yours.dtype and torch.equal(mine, yours)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny model of each family, made when it is first asked for."""
    return cache(lambda family: make_tiny_model(tmp_path_factory.mktemp("models") / family, family))


@pytest.mark.parametrize(("family", "pairing", "dtype"), SHOWN)
def test_features_come_back_bit_for_bit_with_all_levels_and_without_a_pixel(
    tmp_path: Path, models: Callable[[str], Path], family: str, pairing: str, dtype: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = make_job(tmp_path, models(family), bundles=2, variants__frames=5, train__dtype=dtype,
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


@pytest.mark.parametrize("place", [9, -1])
def test_a_flipped_bit_is_noticed_and_the_features_are_made_again(tmp_path: Path, qwen25: Path, place: int) -> None:
    job, notes = make_job(tmp_path, qwen25), Notes()
    first = examples(job, loaded(job))
    good = first.get("q0")
    tampered(kept(job)[0], place)
    second = examples(job, loaded(job), notes)
    assert_same_example(good, second.get("q0"))
    assert second.policy.encoder_calls == 4 and any("damaged" in line for line in notes.lines)
    third = examples(job, loaded(job))
    assert_same_example(good, third.get("q0"))
    assert third.policy.encoder_calls == 0 and not verify(store_of(job), deep=True).findings


@pytest.mark.parametrize("wrong", ["rows", "grid", "level", "view"])
def test_features_that_do_not_fit_the_view_are_refused(tmp_path: Path, qwen25: Path, wrong: str) -> None:
    job = make_job(tmp_path, qwen25)
    held, plain = examples(job, loaded(job)), examples(job, loaded(job))
    assert held.vision is not None
    tensors = packed([Kept(view.features, view.inputs.grid_thw) for view in plain.get("q0").views if view.features])
    if wrong == "rows":
        tensors["1.tokens"] = tensors["1.tokens"][:-1].clone()
    if wrong == "grid":
        tensors["1.grid"] = tensors["1.grid"].flip(1)
    if wrong == "level":
        tensors.update({f"{k}.level0": torch.zeros(4, 64 - k) for k in range(4)})
    if wrong == "view":
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("3.")}
    store_of(job).drop(STAGE, held.vision.key(held.bundles["q0"]))
    store_of(job).publish(STAGE, held.vision.key(held.bundles["q0"]), {FILE: save(tensors)}, {})
    with pytest.raises(VerificationError, match="visual tokens") as caught:
        held.get("q0")
    assert caught.value.code == 6


def test_a_prompt_that_is_too_long_is_left_out_though_its_features_are_kept(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    examples(job, loaded(job)).get("q0")
    short = make_job(tmp_path, qwen25, train__max_prompt_tokens=10)
    with pytest.raises(ItemError, match="max_prompt_tokens"):
        examples(short, loaded(short)).get("q0")


@pytest.mark.parametrize(("step", "cause"), [(1, "ENOSPC"), (3, "EIO"), (5, "EACCES"), (8, "ENOSPC")])
def test_a_disk_that_fills_up_ends_the_keeping_with_one_warning_and_not_the_training(
    tmp_path: Path, qwen25: Path, step: int, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, notes = make_job(tmp_path, qwen25), Notes()
    plain = Examples(loaded(job), dict(job.bundles), PROMPT_FORMATS["think_answer"], job.config.train)
    found = examples(job, loaded(job), notes)
    found.get("q0")
    monkeypatch.setattr(fault, "_points", 0)
    monkeypatch.setenv("STRIVE_FAULT", f"write:{step}:{cause}")
    for name in ("q1", "q2", "q1"):
        assert_same_example(plain.get(name), found.get(name))
    assert fault._points == step, "the disk was not asked again"
    assert found.policy.encoder_calls == 4 * 4 and len(kept(job)) == 1
    assert [line for line in notes.lines if "no longer kept" in line] == notes.lines and len(notes.lines) == 1
    assert not list((tmp_path / "cache" / STAGE).glob(".tmp-*"))


def test_a_process_killed_while_it_writes_leaves_nothing_half(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    policy = loaded(job)
    for kind in ("write:3:torn", "write:5:kill", "write:9:kill"):
        child = os.fork()
        if not child:
            held = examples(job, policy)
            os.environ["STRIVE_FAULT"], fault._points = kind, 0
            held.get("q0")
            os._exit(0)
        assert exit_code(child) == -9
    assert not verify(store_of(job), deep=True).damage
    again = examples(job, policy)
    again.get("q0")
    assert policy.encoder_calls == 4 and len(kept(job)) == 1


def test_two_processes_at_once_give_whole_entries_that_are_the_same(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    policy = loaded(job)
    children = []
    for _child in range(2):
        children.append(os.fork())
        if not children[-1]:
            code = 1
            try:
                held = examples(job, policy)
                for name, _ in job.bundles:
                    held.get(name)
                code = 0
            finally:
                os._exit(code)
    assert [exit_code(child) for child in children] == [0, 0]
    assert len(kept(job)) == 5 and not verify(store_of(job), deep=True).findings
    held = examples(job, policy)
    plain = Examples(loaded(job), dict(job.bundles), PROMPT_FORMATS["think_answer"], job.config.train)
    for name, _ in job.bundles:
        assert_same_example(plain.get(name), held.get(name))
    assert policy.encoder_calls == 0


def test_gc_keeps_the_features_of_a_run_for_as_long_as_its_folder_is_there(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25)
    job.run.mkdir()
    held = examples(job, loaded(job))
    for name in ("q0", "q1"):
        held.get(name)
    for artefact in (*kept(job), *store_of(job).entries("variants")):
        os.utime(artefact.path, (0, 0))
    assert not [one for one in find_garbage(store_of(job)) if one.stage == STAGE]
    job.run.rmdir()
    assert len([one for one in find_garbage(store_of(job)) if one.stage == STAGE]) == 2


@pytest.mark.parametrize(("family", "pairing", "dtype"), SHOWN[-4:])
def test_the_plan_names_the_bytes_that_are_kept_in_the_end(
    tmp_path: Path, models: Callable[[str], Path], family: str, pairing: str, dtype: str
) -> None:
    job = make_job(tmp_path, models(family), variants__frames=5, train__dtype=dtype, train__frame_pairing=pairing)
    policy, place = loaded(job), tmp_path / "cache"
    bundles = [artefact for _, artefact in job.bundles]
    (before,) = plan_lines(job, bundles, 5, place)
    held = examples(job, policy)
    tensors = [level for name, _ in job.bundles for view in held.get(name).views if view.features is not None
               for level in (view.features.tokens, *view.features.deepstack)]
    total = disk.size_text(sum(level.nbytes for level in tensors))
    assert before == f"vision    {VIEWS} views, {total} of features kept beside the bundles"
    assert plan_line(policy.adapter, job.config, bundles, 5, place) == f"{before} ({total} are there)"
    assert "at most" in plan_line(policy.adapter, job.config, bundles[:2], 5, place)


def test_what_does_not_fit_on_the_disk_is_left_off_with_a_line_that_says_why(
    tmp_path: Path, qwen25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, notes = make_job(tmp_path, qwen25), Notes()
    policy, bundles = loaded(job), [artefact for _, artefact in job.bundles]
    examples(job, policy).get("q0")
    monkeypatch.setattr(disk, "free_bytes", lambda _path: 1 << 30)
    line = plan_line(policy.adapter, job.config, bundles, 5, tmp_path / "cache")
    assert "not kept" in line and "1.0 GiB are free" in line
    held = examples(job, policy, notes)
    assert len(notes.lines) == 1 and "1.0 GiB are free" in notes.lines[0]
    calls_before = policy.encoder_calls
    held.get("q0")
    assert policy.encoder_calls == calls_before, "what is there is served"
    held.get("q1")
    assert policy.encoder_calls == calls_before + 4 and len(kept(job)) == 1 and len(notes.lines) == 1


@pytest.mark.parametrize(("changes", "reason"), [
    ({"train__vision_cache": "off"}, "train.vision_cache = off"),
    ({"train__freeze_vision": False}, "the vision tower is trained"),
])
def test_the_plan_says_why_features_are_not_kept(
    tmp_path: Path, qwen25: Path, changes: dict[str, Any], reason: str
) -> None:
    job = make_job(tmp_path, qwen25, **changes)
    policy, bundles = loaded(job, freeze_vision=job.config.train.freeze_vision), dict(job.bundles)
    lines = plan_lines(job, list(bundles.values()), 5, tmp_path / "cache")
    assert lines == [f"vision    features are not kept: {reason}"]
    assert open_cache(policy, bundles, job.config.train, job.run, Notes()) is None


def test_a_view_of_32_frames_takes_about_15_megabytes_at_7b(tmp_path: Path, qwen25: Path) -> None:
    """16 temporal patches x 128 tokens x 3584 numbers of 2 bytes, from the config and the processor alone."""
    model = tmp_path / "7b"
    shutil.copytree(qwen25, model, ignore=shutil.ignore_patterns("*.safetensors"))
    (model / "model.safetensors").touch()
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["hidden_size"] = config["vision_config"]["out_hidden_size"] = 3584
    (model / "config.json").write_text(json.dumps(config))
    job = make_job(tmp_path, model, bundles=0, variants__frames=32, variants__count=1, train__dtype="bfloat16",
                   train__max_pixels=128 * 28 * 28)
    need = bound(adapter_without_weights(str(model), job.config.train), job.config, 1)
    assert (need.views, need.size_bytes) == (1, 16 * 128 * 3584 * 2) == (1, 14_680_064)

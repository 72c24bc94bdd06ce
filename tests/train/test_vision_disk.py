"""Kept vision features on a disk that lies, fills up or loses its writer: noticed, made again, never half there."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from training_world import Notes, exit_code
from vision_world import assert_same_example, examples, kept, loaded, make_job, store_of

from strive.cache import fault
from strive.cache.gc import find_garbage
from strive.cache.store import Artefact
from strive.cache.verify import verify
from strive.configs.errors import VerificationError
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train.questions.examples import Examples
from strive.stages.train.vision.cache import FILE, STAGE, Kept, packed


def tampered(artefact: Artefact, place: int) -> None:
    """Flip a bit of the features' file."""
    file = artefact.path / FILE
    data = bytearray(file.read_bytes())
    data[place] ^= 4
    file.chmod(0o644)
    file.write_bytes(data)


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

"""Kept vision features in the plan: their bytes before anything is loaded, and why they are left off."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from training_world import Notes
from vision_world import SHOWN, VIEWS, examples, kept, loaded, make_job, model_of

from strive.cache import disk
from strive.stages.train.vision.plan import adapter_without_weights, bound, open_cache, plan_line, plan_lines


@pytest.mark.parametrize(("family", "pairing", "dtype"), SHOWN[-4:])
def test_the_plan_names_the_bytes_that_are_kept_in_the_end(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, family: str, pairing: str, dtype: str
) -> None:
    job = make_job(tmp_path, model_of(tmp_path_factory, family), variants__frames=5, train__dtype=dtype,
                   train__frame_pairing=pairing)
    policy, place = loaded(job), tmp_path / "cache"
    bundles = [artefact for _, artefact in job.bundles]
    (before,) = plan_lines(job, bundles, 5, place)
    held = examples(job, policy)
    tensors = [level for name, _ in job.bundles for view in held.get(name).views if view.features is not None
               for level in (view.features.tokens, *view.features.deepstack)]
    total = disk.size_text(sum(level.nbytes for level in tensors))
    assert before == f"vision    {VIEWS} views, {total} of features kept beside the bundles"
    assert plan_line(policy.adapter, job.config, bundles, 5, place) == f"{before} ({total} of a tower are there)"
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

"""A saved policy is an ordinary Hugging Face folder with the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny_models import FAMILIES
from transformers import AutoModelForImageTextToText, AutoProcessor
from vlm_views import mixed_views

from strive.stages.vlm import Policy, load_policy
from strive.stages.vlm.save import save_adapter

TOKENS = torch.tensor([40, 41, 42, 43])


def load(folder: Path, **options: object) -> Policy:
    return load_policy(str(folder), max_pixels=64 * 14 * 14, min_pixels=784, **options)  # type: ignore[arg-type]


def scores(policy: Policy) -> torch.Tensor:
    views = mixed_views(policy)
    with torch.no_grad():
        return policy.logprobs(views, [TOKENS] * len(views)).logprobs


@pytest.mark.parametrize("family", FAMILIES)
def test_save_and_load_give_identical_log_probs(family: str, model_folders: dict[str, Path], tmp_path: Path) -> None:
    policy = load(model_folders[family], trainable=True)
    with torch.no_grad():
        for parameter in policy.core.parameters():
            parameter.add_(0.01)
    policy.save(tmp_path / "policy")
    again = load(tmp_path / "policy")
    assert torch.equal(scores(policy), scores(again))
    assert again.identity != policy.identity
    view, other = mixed_views(policy)[3], mixed_views(again)[3]
    assert torch.equal(view.input_ids, other.input_ids) and torch.equal(view.pixel_values, other.pixel_values)


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_alone_loads_what_was_saved(family: str, policies: dict[str, Policy], tmp_path: Path) -> None:
    policies[family].save(tmp_path / "policy")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "policy", dtype=torch.float32)
    for (name, ours), (other, theirs) in zip(
            policies[family].core.state_dict().items(), model.state_dict().items(), strict=True):
        assert name == other and torch.equal(ours, theirs)
    processor = AutoProcessor.from_pretrained(tmp_path / "policy")
    assert processor.video_processor is not None and processor.tokenizer("a")["input_ids"]


def test_saving_twice_gives_the_same_bytes_and_no_trace_of_this_machine(
    model_folders: dict[str, Path], tmp_path: Path
) -> None:
    policy = load(model_folders["qwen2_5_vl"])
    for name in ("one", "two", "two"):  # the second time over what is there
        policy.save(tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= set(names)
    for name in names:
        data = (tmp_path / "one" / name).read_bytes()
        assert data == (tmp_path / "two" / name).read_bytes(), name
        assert str(tmp_path).encode() not in data and str(model_folders["qwen2_5_vl"].parent).encode() not in data, name
    with safe_open(tmp_path / "one" / "model.safetensors", "pt") as file:
        assert len(file.metadata()) == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp")]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_is_saved_merged_and_goes_on_training(
    family: str, model_folders: dict[str, Path], tmp_path: Path
) -> None:
    policy = load(model_folders[family], trainable=True, lora_rank=2)
    base = scores(policy)
    assert torch.equal(base, scores(load(model_folders[family]))), "a fresh LoRA changes nothing"
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if ".lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    changed = scores(policy)
    assert (changed - base).abs().max() > 1e-2
    policy.save(tmp_path / "policy")
    torch.testing.assert_close(scores(load(tmp_path / "policy")), changed, atol=1e-4, rtol=1e-4)
    assert torch.equal(scores(policy), changed), "saving leaves the LoRA as it is"
    save_adapter(policy.model, tmp_path / "adapter")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    text = (tmp_path / "adapter" / "adapter_config.json").read_text()
    assert str(model_folders[family]) not in text


def test_the_same_seed_gives_the_same_lora(model_folders: dict[str, Path]) -> None:
    def first(seed: int) -> np.ndarray:
        policy = load(model_folders["qwen2_5_vl"], trainable=True, lora_rank=2, seed=seed)
        return next(p.detach().numpy() for name, p in policy.model.named_parameters() if ".lora_A" in name)

    assert np.array_equal(first(1), first(1)) and not np.array_equal(first(1), first(2))

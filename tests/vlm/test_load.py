"""Loading: what is missing is named, what is loaded is as asked."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError
from safetensors.torch import load_file, save_file
from tiny_models import FAMILIES

from strive.configs.errors import MissingError, UsageError
from strive.stages.vlm import Policy, load_policy, model_identity, resolve_model
from strive.stages.vlm.load import choose_attention


def load(model: Path | str, **options: object) -> Policy:
    return load_policy(str(model), max_pixels=64 * 14 * 14, min_pixels=784, **options)  # type: ignore[arg-type]


@pytest.fixture
def folder(model_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(model_folders["qwen2_5_vl"], tmp_path / "model"))


@pytest.mark.parametrize("model", ["/nowhere/at/all", "./missing", "no-such-name"])
def test_a_folder_that_is_not_there_is_missing(model: str) -> None:
    with pytest.raises(MissingError) as error:
        load(model)
    assert error.value.code == 5 and error.value.expected and error.value.do


def test_a_hub_model_that_can_not_be_had_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="Qwen/Qwen2.5-VL-3B-Instruct") as error:
        load("Qwen/Qwen2.5-VL-3B-Instruct")
    assert "hf download" in error.value.do


def test_a_connection_that_breaks_while_fetching_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of the HTTP library under the hub, whose name changes between releases, count too."""
    broken = next(base for base in HfHubHTTPError.__mro__ if base.__module__.startswith(("httpx", "requests")))

    def fetch(*_: object, **__: object) -> str:
        raise broken("peer closed the connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    with pytest.raises(MissingError, match="can't be had"):
        load("Qwen/Qwen2.5-VL-3B-Instruct")


def test_a_folder_without_weights_is_missing(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(MissingError, match="pytorch_model.bin"):
        load(folder)


def test_a_half_downloaded_model_names_the_missing_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}')
    with pytest.raises(MissingError, match="model-00002-of-00002"):
        load(folder)


def test_damaged_weights_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(MissingError, match="can't be read"):
        load(folder)


def test_weights_that_lack_a_tensor_are_not_filled_at_random(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    gone = next(name for name in weights if "q_proj.weight" in name)
    save_file({name: weight for name, weight in weights.items() if name != gone}, path, metadata={"format": "pt"})
    with pytest.raises(MissingError, match="1 weights are not in the files"):
        load(folder)


def test_weights_of_another_size_are_named(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] *= 2
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(MissingError, match="can't be read"):
        load(folder)


def test_a_config_that_is_no_json_is_a_usage_error(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(UsageError, match="config.json"):
        load(folder)


@pytest.mark.parametrize(("file", "name", "model_type"), [
    ("config.json", "AutoConfig", "own"), ("processor_config.json", "AutoProcessor", None)])
def test_code_that_a_model_folder_brings_is_refused_in_words(
    folder: Path, tmp_path: Path, file: str, name: str, model_type: str | None
) -> None:
    content = json.loads((folder / file).read_text())
    content["auto_map"] = {name: "own.Own"}
    if model_type:
        content["model_type"] = model_type
    else:
        content["processor_class"] = "Own"
        tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps({**tokenizer, "processor_class": "Own"}))
    (folder / file).write_text(json.dumps(content))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UsageError, match="code of its own") as error:
        load(folder)
    assert error.value.expected and error.value.do and not (tmp_path / "ran").exists()


def test_a_folder_without_processor_is_a_usage_error(folder: Path) -> None:
    (folder / "processor_config.json").unlink()
    with pytest.raises(UsageError, match="no processor"):
        load(folder)


def test_a_folder_without_tokenizer_or_template_is_a_usage_error(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UsageError, match="chat template"):
        load(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match="no tokenizer"):
        load(folder)


def test_a_tokenizer_that_does_not_know_its_familys_tokens_is_a_usage_error(
    model_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model_folders["internvl"], tmp_path / "model"))
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    assert settings.pop("video_token") == "<video>"
    path.write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="video_token"):
        load(folder)


def test_an_unknown_family_names_the_known_ones(folder: Path) -> None:
    config = (folder / "config.json").read_text().replace('"model_type": "qwen2_5_vl"', '"model_type": "llava"')
    (folder / "config.json").write_text(config)
    with pytest.raises(UsageError, match="llava") as error:
        load(folder)
    assert all(family in error.value.expected for family in FAMILIES)


def test_a_run_folder_gives_its_policy(model_folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(model_folders["qwen3_vl"], tmp_path / "run" / "policy")
    assert resolve_model(str(tmp_path / "run")) == tmp_path / "run" / "policy"


@pytest.mark.parametrize("mark", ["run.json", "checkpoints/step_000001/manifest.json"])
def test_a_run_that_is_not_finished_says_how_to_finish_it(tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mark).write_text("{}")
    with pytest.raises(MissingError, match="the run is not finished") as error:
        resolve_model(str(tmp_path))
    assert "same train command again" in error.value.do


def test_the_shipped_policy_loads_by_name() -> None:
    policy = load("demo", device="cpu")
    assert policy.core.config.model_type == "qwen2_5_vl" and policy.dtype == torch.float32
    assert policy.identity == model_identity("demo")


@pytest.mark.parametrize(("device", "known"), [("cuda", not torch.cuda.is_available()), ("gpu7", True)])
def test_a_device_that_is_not_there_is_a_usage_error(folder: Path, device: str, known: bool) -> None:
    if not known:
        pytest.skip("this machine has one")
    with pytest.raises(UsageError, match=device):
        load(folder, device=device)


def test_half_precision_weights_become_float32_on_the_cpu(folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file({name: weight.half() for name, weight in load_file(path).items()}, path, metadata={"format": "pt"})
    policy = load(folder, device="cpu")
    assert {parameter.dtype for parameter in policy.core.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in load(folder, device="cpu", dtype="bfloat16").core.parameters()} == {
        torch.bfloat16}


def test_mixed_keeps_float32_weights_under_bfloat16_products(folder: Path) -> None:
    policy = load(folder, device="cpu", dtype="mixed")
    assert {parameter.dtype for parameter in policy.core.parameters()} == {torch.float32}
    assert policy.autocast == torch.bfloat16 and load(folder, device="cpu").autocast is None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["auto", "eager"])
def test_the_language_model_attends_as_asked_and_towers_with_sdpa(
    family: str, attention: str, model_folders: dict[str, Path]
) -> None:
    """The same log-probs either way: every family's prompts and completions go through the kernel that is named."""
    policy, plain = load(model_folders[family], attention=attention), load(model_folders[family], attention="sdpa")
    kernel = "sdpa" if attention == "auto" else attention
    assert policy.core.model.language_model.config._attn_implementation == f"strive_{kernel}"
    assert policy.core.config.vision_config._attn_implementation == "sdpa"
    view, ids = policy.encode_view([np.zeros((2, 56, 56, 3), np.uint8)], np.arange(2.0), "Why?"), torch.arange(40, 46)
    with torch.no_grad():
        scores = [own.logprobs([view], [ids]).logprobs for own in (policy, plain)]
    torch.testing.assert_close(*scores, atol=1e-4, rtol=1e-4)


def test_attention_is_one_of_the_kernels() -> None:
    assert choose_attention("auto") == choose_attention("sdpa") == "sdpa" and choose_attention("eager") == "eager"
    with pytest.raises(UsageError, match="unknown attention 'flash'"):
        choose_attention("flash")



def test_what_is_trained_is_what_was_asked(folder: Path) -> None:
    def trained(**options: object) -> set[str]:
        policy = load(folder, **options)
        return {name for name, parameter in policy.model.named_parameters() if parameter.requires_grad}

    assert not trained()
    frozen, everything = trained(trainable=True), trained(trainable=True, freeze_vision=False)
    assert frozen < everything and all(name.startswith("model.visual") for name in everything - frozen)
    lora = trained(trainable=True, lora_rank=2)
    assert lora and all(".lora_" in name and "language_model" in name for name in lora)


def test_lora_without_peft_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingError) as error:
        load(folder, trainable=True, lora_rank=2)
    assert "pip install strive[lora]" in error.value.do


def test_identity_follows_the_content_not_the_place(folder: Path, model_folders: dict[str, Path]) -> None:
    before = model_identity(str(folder))
    assert before == model_identity(str(model_folders["qwen2_5_vl"]))
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight" if "model.norm.weight" in weights else sorted(weights)[0]][0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert model_identity(str(folder)) != before


def test_the_identity_of_a_cached_hub_model_is_that_of_its_files(folder: Path, tmp_path: Path) -> None:
    """The hub's cache keeps large files as links to blobs named by sha256: those need not be read again."""
    snapshot = Path(shutil.copytree(folder, tmp_path / "snapshot"))
    weights = snapshot / "model.safetensors"
    blob = tmp_path / hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.rename(blob)
    weights.symlink_to(blob)
    assert model_identity(str(snapshot)) == model_identity(str(folder))


def test_asking_for_an_identity_loads_no_torch(folder: Path) -> None:
    code = ("import sys; from strive.stages.vlm import model_identity; "
            f"model_identity({str(folder)!r}); sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0

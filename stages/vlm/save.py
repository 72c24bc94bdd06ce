"""Writing a policy as an ordinary Hugging Face folder: safetensors, configs, processor; a LoRA is merged."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn

from strive.cache import atomic
from strive.cache.disk import explained, no_space


def save_policy(model: nn.Module, core: Any, processor: Any, folder: Path) -> None:
    """Write model and processor to `folder`, replacing what is there; never half of it is visible."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with explained(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-policy-") as scratch:
        staged = Path(scratch)
        with full_disk_named(staged):
            core.save_pretrained(staged, state_dict=merged_weights(model, core))
        processor.save_pretrained(staged)
        files: dict[str, bytes | Path] = {
            path.relative_to(staged).as_posix(): path for path in sorted(staged.rglob("*")) if path.is_file()
        }
        atomic.publish_folder(folder, files, {"kind": "policy"}, replace=True)


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """safetensors tells of a full disk in an error of its own: `MissingError` (exit 5) as everywhere else."""
    try:
        yield
    except SafetensorError as error:
        if "os error 28" not in str(error):
            raise
        raise no_space(folder, 0) from error


def save_adapter(model: Any, folder: Path) -> None:
    """Write only the LoRA weights and their config, as peft reads them."""
    with explained(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-adapter-") as scratch:
        model.save_pretrained(scratch)
        settings = json.loads((Path(scratch) / "adapter_config.json").read_text(encoding="utf-8"))
        settings["base_model_name_or_path"] = None  # a path of this machine
        files: dict[str, bytes | Path] = {
            "adapter_config.json": atomic.json_bytes(settings),
            "adapter_model.safetensors": Path(scratch) / "adapter_model.safetensors",
        }
        atomic.publish_folder(folder, files, {"kind": "adapter"}, replace=True)


def merged_weights(model: nn.Module, core: Any) -> dict[str, Tensor]:
    """The weights without LoRA: W + (alpha / r) · B · A under the original names; the model is left unchanged."""
    weights: dict[str, Tensor] = core.state_dict()
    if model is core:
        return weights
    plain = {name.replace(".base_layer.", "."): value for name, value in weights.items() if ".lora_" not in name}
    for name, module in core.named_modules():
        if hasattr(module, "get_delta_weight"):
            for adapter in module.active_adapters:
                key = f"{name}.weight"
                delta = module.get_delta_weight(adapter)
                plain[key] = (plain[key].float() + delta.float()).to(plain[key].dtype)
    return plain

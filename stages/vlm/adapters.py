"""The model families that can be trained: one small adapter each, chosen by the config's `model_type`."""

from importlib import import_module
from typing import Any

from strive.configs.errors import UsageError

ADAPTERS: dict[str, str] = {
    "qwen2_5_vl": "strive.stages.vlm.qwen2_5_vl:Qwen25VL",
    "qwen3_vl": "strive.stages.vlm.qwen3_vl:Qwen3VL",
}


def make_adapter(processor: Any, config: Any, max_pixels: int, min_pixels: int) -> Any:
    """The adapter for this model, or UsageError naming the families there are."""
    family = config.model_type
    if family not in ADAPTERS:
        raise UsageError(f"models of type {family!r} are not supported", f"one of: {', '.join(sorted(ADAPTERS))}.",
                         "Choose such a model, or add an adapter (docs/vlm.md).")
    module, name = ADAPTERS[family].split(":")
    return getattr(import_module(module), name)(processor, config, max_pixels, min_pixels)

"""The model families that can be trained: one small adapter each, chosen by the config's `model_type`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from strive.configs.errors import UsageError

if TYPE_CHECKING:
    from strive.stages.vlm.family import FamilyAdapter

ADAPTERS: dict[str, str] = {
    "qwen2_vl": "strive.stages.vlm.qwen2_vl:Qwen2VL",
    "qwen2_5_vl": "strive.stages.vlm.qwen2_5_vl:Qwen25VL",
    "qwen3_vl": "strive.stages.vlm.qwen3_vl:Qwen3VL",
    "internvl": "strive.stages.vlm.internvl:InternVL",
    "llava_onevision": "strive.stages.vlm.llava_onevision:LlavaOnevision",
}


def make_adapter(processor: Any, config: Any, max_pixels: int, min_pixels: int, time_text: str = "none",
                 frame_pairing: str = "video") -> "FamilyAdapter":
    """The adapter for this model, or UsageError naming the families there are.

    `time_text` none | seconds: frame times as text in the prompt. `frame_pairing` video (consecutive frames share a
    temporal patch) | repeat (each frame fills one by itself) | images (each frame is shown as an image). UsageError
    where a family has no use for one of them.
    """
    family = config.model_type
    if family not in ADAPTERS:
        raise UsageError(f"models of type {family!r} are not supported", f"one of: {', '.join(sorted(ADAPTERS))}.",
                         "Choose such a model, or add an adapter (docs/vlm.md).")
    module, name = ADAPTERS[family].split(":")
    adapter: FamilyAdapter = getattr(import_module(module), name)(
        processor, config, max_pixels, min_pixels, time_text=time_text, frame_pairing=frame_pairing)
    return adapter

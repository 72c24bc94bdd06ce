"""What decides the features of a view besides its bundle: the tower's weights, its config, sizes, dtype, arithmetic."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from strive.cache.digest import digest_json
from strive.cache.key import library_series
from strive.configs.run_stages import TrainConfig

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy

VOLATILE = frozenset({"transformers_version", "_name_or_path", "dtype", "torch_dtype", "architectures", "text_config",
                      "processor_class", "video_processor_type", "image_processor_type"})
"""Names in configs that say who wrote them, or concern the language model."""


@dataclass(frozen=True)
class Identity:
    """`config`: settings, JSON. `inputs`: digests and library series. Both enter the key of kept features."""

    config: Mapping[str, Any]
    inputs: Mapping[str, Any]

    @staticmethod
    def of(policy: "Policy", config: TrainConfig) -> "Identity":
        """Reads every weight of the tower: about a second for each 1.5 GB."""
        tower = policy.adapter.tower(policy.core)
        settings = {
            "max_pixels": policy.adapter.max_pixels, "min_pixels": policy.adapter.min_pixels,
            "frame_pairing": config.frame_pairing, "mixed": config.dtype == "mixed",
            "attention": getattr(policy.core.config.vision_config, "_attn_implementation", None),
            "arithmetic": arithmetic(policy.device),
        }
        digests = {"tower": tower_digest(tower), "model": digest_json(stable(policy.core.config.to_dict())),
                   "processor": digest_json(processing(policy.processor)),
                   "libraries": library_series("torch", "transformers")}
        return Identity(settings, digests)


def tower_digest(tower: torch.nn.Module) -> str:
    """`sha256:…` over names, dtypes, shapes and bytes of the tower's weights and saved buffers, as loaded."""
    found = hashlib.sha256()
    for name, weight in sorted(tower.state_dict().items()):
        found.update(f"{name} {weight.dtype} {list(weight.shape)}\n".encode())
        found.update(memoryview(weight.detach().reshape(-1).contiguous().view(torch.uint8).cpu().numpy()))
    return f"sha256:{found.hexdigest()}"


def arithmetic(device: torch.device) -> dict[str, Any]:
    """The kind of device, and on the CPU its threads: sums of floats are split by them, which moves the last bits."""
    return {"device": device.type} | ({"threads": torch.get_num_threads()} if device.type == "cpu" else {})


def processing(processor: Any) -> Any:
    """How the processor turns pixels into patches: means, deviations, patch sizes."""
    parts = {name: getattr(processor, name, None) for name in ("video_processor", "image_processor")}
    return {name: stable(part.to_dict()) for name, part in parts.items() if part is not None}


def stable(value: Any) -> Any:
    """The value as JSON without `VOLATILE` names, at any depth."""
    return _pruned(json.loads(json.dumps(value, default=str)))


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(inner) for name, inner in value.items() if name not in VOLATILE}
    return [_pruned(inner) for inner in value] if isinstance(value, list) else value

"""What a model is made of, from its config alone: parameters by part and the widths that decide memory and work.

The model is built on torch's meta device, which has shapes and no storage, so that a 72B config takes no memory.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText

from strive.configs.errors import MissingError, UsageError
from strive.stages.vlm.load import LORA_TARGETS
from strive.stages.vlm.resolve import resolve_model

ATTENTION = {"qkv", "q_proj"}
"""What the linear map that makes queries is called."""


@dataclass(frozen=True)
class BlockShape:
    """A stack of equal transformer blocks.

    depth: blocks. width: residual stream. query, key_value: total widths of all heads. heads: query heads. mlp: width
    inside. gated: gate and up instead of one projection. rms: RMSNorm (computed in float32), else LayerNorm.
    head_norm: queries and keys are normalised. weights: elements of one block's linear maps. attention_inputs,
    mlp_inputs: linear maps that read the block's two normalised streams.
    """

    depth: int
    width: int
    query: int
    key_value: int
    heads: int
    mlp: int
    gated: bool
    rms: bool
    head_norm: bool
    weights: int
    attention_inputs: int
    mlp_inputs: int

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.query // self.heads


@dataclass(frozen=True)
class LoraMap:
    """A linear map that gets an adapter: [outputs, inputs], `count` of them."""

    inputs: int
    outputs: int
    count: int


@dataclass(frozen=True)
class ModelShape:
    """Parameters by part (tied weights counted once, as embeddings) and the two stacks of blocks.

    vision: tower and projector. language: decoder layers and norms. embeddings: input. head: output where not tied.
    vision_rest: elements of linear maps and convolutions outside the tower's blocks, split into those that work on
    patches (`patch_embed`) and on visual tokens (`projector`).
    """

    vision: int
    language: int
    embeddings: int
    head: int
    vocabulary: int
    decoder: BlockShape
    tower: BlockShape
    patch_embed: int
    projector: int
    lora: tuple[LoraMap, ...]

    @property
    def total(self) -> int:
        """All parameters."""
        return self.vision + self.language + self.embeddings + self.head

    def lora_parameters(self, rank: int) -> int:
        """A [rank, inputs] and a [outputs, rank] matrix for every target."""
        return sum(rank * (one.inputs + one.outputs) * one.count for one in self.lora)


def config_folder(model: str) -> Path:
    """The folder with `model`'s config.json; weights need not be there. `MissingError` without a config.

    `model` as in `resolve_model`, or a folder with only config.json; a hub model is looked up in the local cache and
    never fetched.
    """
    folder = Path(model).expanduser()
    for place in (folder / "policy", folder):
        if (place / "config.json").is_file():
            return place
    if folder.is_dir() or model == "demo" or model.startswith((".", "/", "~")) or model.count("/") != 1:
        return resolve_model(model)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "config.json")
    if not isinstance(found, str):
        raise MissingError(f"config.json of {model} is not in the local cache", "a config to plan with",
                           f"Fetch it on a machine with network: hf download {model} config.json, or give a folder.")
    return Path(found).parent


def read_config(model: str) -> Any:
    """The Hugging Face config of `model`; `UsageError` for one that cannot be read."""
    folder = config_folder(model)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"config.json in {folder} can't be read ({error})", "the config of a Hugging Face model",
                         "Copy the original model's config.json into the folder.") from error


def shape_of(config: Any) -> ModelShape:
    """Build the model of `config` on the meta device and take its measures; `UsageError` for an unknown structure."""
    try:
        with torch.device("meta"):
            core = AutoModelForImageTextToText.from_config(config, trust_remote_code=False)
    except (ValueError, KeyError, AttributeError) as error:
        raise UsageError(f"no model can be built from the config ({error})", "an image-text-to-text model",
                         "Choose a supported model (docs/vlm.md).") from error
    return _measure(core, config)


def _measure(core: Any, config: Any) -> ModelShape:
    language = _language_model(core)
    inner = {id(parameter): parameter.numel() for parameter in language.parameters()}
    embeddings = core.get_input_embeddings().weight
    head = core.get_output_embeddings().weight
    tied = head is embeddings
    every = {id(parameter): parameter.numel() for parameter in core.parameters()}
    vision = sum(count for key, count in every.items() if key not in inner and key != id(head))
    tower = _longest(core, outside=language)
    block = block_shape(tower, vision_heads(config.vision_config))
    rest = _elements(core, nn.Linear, skip=(language, tower, core.get_output_embeddings()))
    return ModelShape(
        vision, sum(inner.values()) - embeddings.numel(), embeddings.numel(), 0 if tied else head.numel(),
        int(head.shape[0]), block_shape(language.layers, int(config.get_text_config().num_attention_heads)), block,
        _elements(core, (nn.Conv2d, nn.Conv3d), skip=(language,)), rest, _lora(core))


def block_shape(blocks: Any, heads: int) -> BlockShape:
    """The measures of a stack of equal blocks, read off the linear maps of the first."""
    first = blocks[0]
    maps = {name.rpartition(".")[2]: one for name, one in first.named_modules() if isinstance(one, nn.Linear)}
    joint = maps.get("qkv")
    query, key = (joint, joint) if joint is not None else (maps.get("q_proj"), maps.get("k_proj"))
    down = next((maps[name] for name in ("down_proj", "fc2", "linear_fc2") if name in maps), None)
    if query is None or key is None or down is None:
        raise UsageError(f"blocks of {type(first).__name__} have the linear maps {', '.join(sorted(maps))}",
                         "a transformer block with q, k, v and a two-layer MLP", "Choose a supported model.")
    parts = 1 if joint is None else 3
    gated = "gate_proj" in maps
    names = {name.rpartition(".")[2] for name, _ in first.named_modules()}
    return BlockShape(
        len(blocks), query.in_features, query.out_features // parts, key.out_features // parts, heads,
        down.in_features, gated, not any(isinstance(one, nn.LayerNorm) for one in first.modules()),
        "q_norm" in names and not isinstance(first.get_submodule(_path(first, "q_norm")), nn.Identity),
        sum(one.weight.numel() for one in maps.values()), 3 // parts, 2 if gated else 1)


def vision_heads(vision_config: Any) -> int:
    """Attention heads of the tower; families name them differently."""
    return int(getattr(vision_config, "num_heads", None) or vision_config.num_attention_heads)


def _path(module: nn.Module, leaf: str) -> str:
    return next(name for name, _ in module.named_modules() if name.rpartition(".")[2] == leaf)


def _language_model(core: Any) -> Any:
    found = getattr(core.model, "language_model", None)
    if found is not None and hasattr(found, "layers"):
        return found
    raise UsageError(f"{type(core).__name__} has no language model with layers", "a decoder beside a vision tower",
                     "Choose a supported model (docs/vlm.md).")


def _longest(core: nn.Module, outside: nn.Module) -> nn.ModuleList:
    """The largest stack of blocks with attention that is no part of `outside`."""
    inner = set(outside.modules())
    stacks = [one for one in core.modules() if isinstance(one, nn.ModuleList) and one not in inner and len(one)
              and ATTENTION & {name.rpartition(".")[2] for name, _ in one[0].named_modules()}]
    if not stacks:
        raise UsageError(f"{type(core).__name__} has no vision tower", "a stack of vision blocks",
                         "Choose a supported model (docs/vlm.md).")
    return max(stacks, key=lambda stack: sum(p.numel() for p in stack.parameters()))


def _elements(core: nn.Module, kinds: Any, skip: tuple[Any, ...]) -> int:
    left_out = {one for part in skip for one in part.modules()}
    return sum(one.weight.numel() for one in core.modules() if isinstance(one, kinds) and one not in left_out)


def _lora(core: nn.Module) -> tuple[LoraMap, ...]:
    """The linear maps that `LORA_TARGETS` names, as peft finds them."""
    sizes = [(one.in_features, one.out_features) for name, one in core.named_modules()
             if isinstance(one, nn.Linear) and re.fullmatch(LORA_TARGETS, name)]
    return tuple(LoraMap(*size, sizes.count(size)) for size in sorted(set(sizes)))

"""Loading a policy: device, dtype, frozen parts, LoRA, and the adapter of its family."""

import re
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging

from strive.configs.errors import MissingError, UsageError
from strive.stages.vlm.adapters import ADAPTERS, make_adapter
from strive.stages.vlm.attention import KERNELS
from strive.stages.vlm.policy import Policy
from strive.stages.vlm.resolve import model_identity, resolve_model

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
          "mixed": torch.float32}
LORA_TARGETS = r".*language_model\..*\.(q|k|v|o|gate|up|down)_proj"
"""The projections of the language model: in every family vision towers and projectors have other paths."""


def load_policy(model: str, *, device: str = "auto", dtype: str = "auto", max_pixels: int, min_pixels: int,
                trainable: bool = False, freeze_vision: bool = True, lora_rank: int = 0, seed: int = 0,
                attention: str = "auto", time_text: str = "none", frame_pairing: str = "video") -> Policy:
    """Load `model` (Hugging Face id, folder, run folder or "demo") ready to sample and score.

    `device` auto: cuda, else mps, else cpu. `dtype` auto: bfloat16 on a GPU, float32 on the CPU, whatever the file
    holds; mixed: float32 weights, `Policy.autocast` bfloat16. `max_pixels`, `min_pixels`: a frame's area as the model
    sees it (unused by families of fixed size). `trainable`: parameters require gradients (the vision tower's only when
    not `freeze_vision`; with `lora_rank` only the LoRA's, drawn from `seed`). `attention`: see `choose_attention`;
    `time_text`, `frame_pairing`: see `make_adapter`.
    Raises MissingError (weights, peft) or UsageError (no processor, unknown family, unknown device).
    """
    logging.disable_progress_bar()  # progress is shown by strive's own reporter
    folder = resolve_model(model)
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    config = _config(folder)
    processor = _processor(folder)
    adapter = make_adapter(processor, config, max_pixels, min_pixels, time_text, frame_pairing)
    kernel = choose_attention(attention)
    core = _weights(folder, precision, kernel)
    core.to(place)
    core.eval()  # no dropout: rollout and training log-probs are the same function
    adapter.prepare(core)
    trained = _prepare_training(core, adapter, trainable, freeze_vision, lora_rank, seed)
    return Policy(trained, processor, adapter, model_identity(model), freeze_vision or not trainable or lora_rank > 0,
                  autocast=torch.bfloat16 if dtype == "mixed" else None, attention=kernel)


def choose_device(name: str) -> torch.device:
    """auto, cpu, cuda, cuda:N or mps as a device; UsageError when this machine lacks it."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise UsageError(f"unknown device {name!r}", "auto, cpu, cuda, cuda:N or mps.", "Set the device key.")
    absent = (name.startswith("cuda") and not torch.cuda.is_available()) or (
        name == "mps" and not torch.backends.mps.is_available())
    if absent:
        raise UsageError(f"device {name} is not on this machine", "a device that torch sees.",
                         "Set the device key to auto, or see strive doctor.")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Dtype of the weights. auto: bfloat16 on a GPU, float32 on the CPU (half precision is slow and coarse there)."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if name not in DTYPES:
        raise UsageError(f"unknown dtype {name!r}", f"auto or one of {', '.join(DTYPES)}.", "Set the dtype key.")
    return DTYPES[name]


def choose_attention(name: str) -> str:
    """The language model's attention over prompts. auto: sdpa, which runs FlashAttention's kernels on a GPU."""
    if name == "auto":
        return "sdpa"
    if name not in KERNELS:
        raise UsageError(f"unknown attention {name!r}", f"auto or one of {', '.join(KERNELS)}.",
                         "Set the attention key.")
    return name


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        _refuse_code(folder, error)
        raise UsageError(f"config.json in {folder} can't be read ({error})", "the config of a Hugging Face model.",
                         "Copy the original model's config.json into the folder.") from error


def _refuse_code(folder: Path, error: Exception) -> None:
    """UsageError when transformers gave up because the folder asks for code of its own (`auto_map`)."""
    if "trust_remote_code" in str(error):
        raise UsageError(f"the model in {folder} brings code of its own (auto_map), which is never run",
                         "a model whose classes are part of transformers.",
                         f"Choose one of type {', '.join(sorted(ADAPTERS))}, converted to transformers' own classes.",
                         ) from error


def _weights(folder: Path, dtype: torch.dtype, attention: str) -> Any:
    """The model with every weight from the files: transformers would draw absent ones at random and only warn.

    Towers keep sdpa: their segments have no mask, and the Qwen ones are batched by length already.
    """
    parts = {"": attention, "text_config": attention, "vision_config": "sdpa"}
    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, attn_implementation=parts, use_safetensors=True,
            local_files_only=True, trust_remote_code=False, output_loading_info=True,
        )
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        _refuse_code(folder, error)
        raise MissingError(f"the weights in {folder} can't be read ({str(error).splitlines()[0]})",
                           "whole safetensors files that fit config.json.", "Fetch or copy the model again.") from error
    core, found = loaded
    absent = sorted(found["missing_keys"])
    if absent:
        raise MissingError(f"{len(absent)} weights are not in the files of {folder} ({absent[0]})",
                           "a weight for every parameter of the model.", "Fetch or copy the model again.")
    return core


def _processor(folder: Path) -> Any:
    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:  # a named token, a package it needs
        _refuse_code(folder, error)
        raise UsageError(f"the processor in {folder} can't be loaded ({error})", "the files of the model's processor.",
                         "Copy the processor's files of the original model into the folder.") from error
    if getattr(processor, "video_processor", None) is None:
        raise UsageError(f"the processor in {folder} does not take videos ({type(processor).__name__})",
                         "a processor with a video processor.", "Choose a model for video.")
    if not (processor.chat_template or processor.tokenizer.chat_template):
        raise UsageError(f"the processor in {folder} has no chat template", "chat_template.jinja.",
                         "Copy the original model's chat template into the folder.")
    return processor


def _prepare_training(core: Any, adapter: Any, trainable: bool, freeze_vision: bool, lora_rank: int, seed: int) -> Any:
    core.requires_grad_(trainable)
    if freeze_vision:
        adapter.tower(core).requires_grad_(False)
    return _with_lora(core, lora_rank, seed) if trainable and lora_rank > 0 else core


def _with_lora(core: Any, rank: int, seed: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingError("train.lora_rank needs peft, which is not installed", "peft.",
                           "Run: pip install strive[lora]") from error
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft and transformers about each other
        torch.manual_seed(seed)
        # adapters in the model's dtype: the optimizer steps in float32, and no layer keeps a float32 copy of its input
        return get_peft_model(core, LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, bias="none",
                                               target_modules=LORA_TARGETS), autocast_adapter_dtype=False)

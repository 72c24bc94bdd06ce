"""The CLIP scorer: any open_clip model, on whatever device there is, in batches of a fixed shape."""

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.factory import get_model_config
from safetensors import SafetensorError

from strive.cache.digest import digest_file
from strive.configs.data_stages import ScoreConfig
from strive.configs.errors import MissingError, UsageError
from strive.stages.score.encoder import ImageSet
from strive.stages.score.identity import CONFIG_FILE, ModelSource, find_model
from strive.stages.score.prepare import Preparation
from strive.stages.score.slots import encode_sets

TEXTS_KEPT = 4096
# What torch's weights_only loader raises when it refuses a foreign object.
REFUSED = torch.serialization.pickle.UnpicklingError
FOREIGN = (RuntimeError, OSError, ValueError, KeyError, TypeError, ImportError, SafetensorError, REFUSED)
# How open_clip, transformers and Python say that a package is not there.
LACKS = re.compile(r"pip install ([A-Za-z][\w-]*)|requires the (\w+) library|No module named '(\w+)")


class ClipEncoder:
    """An open_clip model with its own image preparation and tokenizer, computing in float32 on every device."""

    def __init__(self, model: Any, prepare: Any, tokenizer: Any, device: torch.device, batch: int) -> None:
        self.model, self.prepare = model.eval().requires_grad_(False), Preparation(prepare)
        self.tokenizer = tokenizer
        self.device, self.batch = device, batch
        self.context = int(getattr(tokenizer, "context_length", None) or model.context_length)
        self.facts: dict[str, Any] = {"device": device.type}
        self.text = lru_cache(maxsize=TEXTS_KEPT)(self._encode_text)

    def images(self, images: Iterable[np.ndarray], salt: str) -> np.ndarray:
        """[n, D] float32 unit rows; identical images get identical rows."""
        [(_token, rows)] = self.image_sets([ImageSet(None, salt, images)])
        return rows

    def image_sets(self, sets: Iterable[ImageSet]) -> Iterator[tuple[Any, np.ndarray]]:
        """As `images` for each set, to the bit; sets share forwards, so they may come back in another order."""
        return encode_sets(sets, self.prepare.one, self.encode, self.batch)

    @torch.inference_mode()
    def encode(self, prepared: dict[int, Any]) -> np.ndarray:
        """[batch, D] float32: one forward with these images in these rows and zeros in the others."""
        images = self.prepare.together(list(prepared.values()))  # [n, 3, S, S]
        pixels = images.new_zeros((self.batch, *images.shape[1:]))
        pixels[list(prepared)] = images
        with full_precision():
            rows = self.model.encode_image(pixels.to(self.device))
        return unit(rows)

    @torch.inference_mode()
    def _encode_text(self, text: str) -> np.ndarray:
        """[D] float32; texts are encoded one by one, so a vector has no neighbours."""
        with full_precision():
            rows = self.model.encode_text(self.tokenizer([text]).to(self.device))
        return np.asarray(unit(rows)[0])

    def tokens(self, text: str) -> int:
        """Tokens with start and end marks, before any truncation."""
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is None:
            return len(self.tokenizer.encode(text)) + 2
        text = self.tokenizer.clean_fn(text)
        if getattr(self.tokenizer, "tokenizer_mode", None) == "clips":  # start, end and class mark of open_clip's own
            return len(inner(text, add_special_tokens=False, verbose=False)["input_ids"]) + 3
        return len(inner(text, verbose=False)["input_ids"])

    def close(self) -> None:
        """Let go of the model and of the device's cached memory."""
        self.model = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def full_precision() -> AbstractContextManager[None]:
    """Convolutions in float32 too: a GPU rounds them to TF32 by itself, and the device is not part of the key."""
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    return context


def unit(rows: torch.Tensor) -> np.ndarray:
    """Rows of length 1, float32 on the CPU."""
    return np.asarray(torch.nn.functional.normalize(rows.float(), dim=-1).cpu().numpy())


def open_clip_encoder(config: ScoreConfig) -> ClipEncoder:
    """The configured model with its weights; `MissingError` (exit 5) when they cannot be had, never another model."""
    source = find_model(config)
    device = choose_device(config.device)
    weights = find_weights(source)
    forbidden = forbid_code(source)
    try:
        model, prepare = open_clip.create_model_from_pretrained(
            source.name, pretrained=source.pretrained, device=device, weights_only=True
        )
        tokenizer = open_clip.get_tokenizer(source.name, **forbidden)
    except FOREIGN as error:
        raise unloadable(source, error) from error
    encoder = ClipEncoder(model, prepare, tokenizer, device, config.batch)
    if weights is not None:
        encoder.facts["weights"] = digest_file(weights)
    return encoder


def find_weights(source: ModelSource) -> Path | None:
    """The downloaded file of a published model; None where open_clip finds it by itself (folders, hf-hub)."""
    if source.folder is not None:
        return None
    if source.pretrained is None:
        return None
    if Path(source.pretrained).is_file():
        return Path(source.pretrained)
    tags = open_clip.list_pretrained_tags_by_model(source.name.replace("/", "-"))
    if source.name.replace("/", "-") not in open_clip.list_models():
        near = difflib.get_close_matches(source.name, open_clip.list_models(), 3)
        raise UsageError(f"score.model: open_clip knows no {source.name!r}", "a name from open_clip.list_models()",
                         f"Did you mean {', '.join(near)}?" if near else "Name a folder or another model.")
    if source.pretrained not in tags:
        raise UsageError(f"score.pretrained: {source.name} has no weights {source.pretrained!r}",
                         f"one of {', '.join(tags)}", "Set score.pretrained to one of these.")
    try:
        return Path(open_clip.download_pretrained(open_clip.get_pretrained_cfg(source.name, source.pretrained)))
    except (RuntimeError, OSError, ValueError) as error:
        raise unloadable(source, error) from error


def forbid_code(source: ModelSource) -> dict[str, bool]:
    """Arguments for the tokenizer that keep a repository's or folder's own code from running.

    Raises `UsageError` for a config that asks for it, `MissingError` for one that cannot be read.
    """
    try:
        text = (get_model_config(source.name) or {}).get("text_cfg") or {}
        asked = (text.get("tokenizer_kwargs") or {}).get("trust_remote_code")
    except (*FOREIGN, AttributeError) as error:
        raise unloadable(source, error) from error
    if asked:
        raise UsageError(f"score.model {source.name}: {CONFIG_FILE} asks for trust_remote_code",
                         "a model that needs no code of its own", "Name another model, or remove the setting.")
    if text.get("hf_model_name") or text.get("hf_tokenizer_name"):
        never_offer_code()
    return {"trust_remote_code": False} if text.get("hf_tokenizer_name") else {}


def never_offer_code() -> None:
    """Text towers from transformers are loaded by open_clip without a word on code, which makes transformers ask the
    user whether to run it; with no time to answer it refuses."""
    from transformers import dynamic_module_utils

    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0


def unloadable(source: ModelSource, error: Exception) -> MissingError:
    """The error for weights that cannot be had."""
    name = f"{source.name} {source.pretrained}" if source.pretrained else source.name
    lacking = LACKS.search(str(error))
    if lacking:
        package = next(filter(None, lacking.groups())).lower()
        return MissingError(f"score.model {name} needs the package {package}, which is not installed",
                            "open_clip with what this model is made of", f"pip install {package}")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return MissingError(f"score.model {name}: the weights cannot be loaded ({reason})",
                        "the model that was asked for; no other is taken",
                        "Connect once to download it, name a local folder in score.model, or use --preset demo.")


def choose_device(name: str) -> torch.device:
    """`auto` is cuda, else mps, else cpu; `MissingError` when a named device is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, usable in there.items() if usable))
    if not there.get(name.partition(":")[0]):
        raise MissingError(f"score.device: no {name}", f"one of {', '.join(k for k, ok in there.items() if ok)}",
                           "Set score.device=auto.")
    return torch.device(name)

"""The CLIP scorer: any open_clip model, on whatever device there is, in batches of a fixed shape."""

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from safetensors import SafetensorError

from strive.cache.digest import digest_file
from strive.configs.data_stages import ScoreConfig
from strive.configs.errors import MissingError, UsageError
from strive.stages.score.batches import encode_unique
from strive.stages.score.identity import CONFIG_FILE, ModelSource, find_model
from strive.stages.score.prepare import Preparation

# What torch's weights_only loader raises when it refuses a foreign object.
REFUSED = torch.serialization.pickle.UnpicklingError
FOREIGN = (RuntimeError, OSError, ValueError, KeyError, TypeError, SafetensorError, REFUSED)


class ClipEncoder:
    """An open_clip model with its own image preparation and tokenizer; float32 on CPU, bfloat16 autocast on CUDA."""

    def __init__(self, model: Any, prepare: Any, tokenizer: Any, device: torch.device, batch: int) -> None:
        self.model, self.prepare = model.eval().requires_grad_(False), Preparation(prepare)
        self.tokenizer = tokenizer
        self.device, self.batch = device, batch
        self.context = int(getattr(tokenizer, "context_length", None) or model.context_length)
        self.facts: dict[str, Any] = {"device": device.type}
        self._texts: dict[str, np.ndarray] = {}

    def images(self, images: Iterable[np.ndarray], salt: str) -> np.ndarray:
        """[n, D] float32 unit rows; identical images get identical rows."""
        return encode_unique(images, self.encode_batch, self.batch)

    @torch.inference_mode()
    def encode_batch(self, images: list[np.ndarray]) -> np.ndarray:
        """[len(images), D]: prepared, padded with zeros to the full batch, encoded, the padding dropped."""
        pixels = self.prepare(images)  # [n, 3, S, S]
        padding = pixels.new_zeros((self.batch - len(images), *pixels.shape[1:]))
        with self.autocast():
            rows = self.model.encode_image(torch.cat([pixels, padding]).to(self.device))
        return unit(rows)[: len(images)]

    @torch.inference_mode()
    def text(self, text: str) -> np.ndarray:
        """[D] float32; texts are encoded one by one, so a vector has no neighbours."""
        if text not in self._texts:
            with self.autocast():
                rows = self.model.encode_text(self.tokenizer([text]).to(self.device))
            self._texts[text] = unit(rows)[0]
        return self._texts[text]

    def tokens(self, text: str) -> int:
        """Tokens with start and end marks, before any truncation."""
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is not None:
            return len(inner(self.tokenizer.clean_fn(text))["input_ids"])
        return len(self.tokenizer.encode(text)) + 2

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda")

    def close(self) -> None:
        """Let go of the model and of the device's cached memory."""
        self.model = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def unit(rows: torch.Tensor) -> np.ndarray:
    """Rows of length 1, float32 on the CPU."""
    return np.asarray(torch.nn.functional.normalize(rows.float(), dim=-1).cpu().numpy())


def open_clip_encoder(config: ScoreConfig) -> ClipEncoder:
    """The configured model with its weights; `MissingError` (exit 5) when they cannot be had, never another model."""
    source = find_model(config)
    device = choose_device(config.device)
    weights = find_weights(source)
    try:
        model, prepare = open_clip.create_model_from_pretrained(
            source.name, pretrained=source.pretrained, device=device, weights_only=True
        )
        tokenizer = open_clip.get_tokenizer(source.name)
    except FOREIGN as error:
        raise unloadable(source, error) from error
    encoder = ClipEncoder(model, prepare, tokenizer, device, config.batch)
    if weights is not None:
        encoder.facts["weights"] = digest_file(weights)
    return encoder


def find_weights(source: ModelSource) -> Path | None:
    """The downloaded file of a published model; None where open_clip finds it by itself (folders, hf-hub)."""
    if source.folder is not None:
        refuse_code(source.folder / CONFIG_FILE)
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


def refuse_code(config_file: Path) -> None:
    """A folder's tokenizer settings may not ask for code to be run."""
    try:
        text = json.loads(config_file.read_text("utf-8")).get("model_cfg", {}).get("text_cfg", {})
    except (OSError, ValueError, AttributeError) as error:
        raise MissingError(f"{config_file}: {error}", "an open_clip config", "Name another folder.") from error
    if (text.get("tokenizer_kwargs") or {}).get("trust_remote_code"):
        raise UsageError(f"{config_file}: trust_remote_code", "a model that needs no code of its own",
                         "Remove tokenizer_kwargs.trust_remote_code from the file.")


def unloadable(source: ModelSource, error: Exception) -> MissingError:
    """The error for weights that cannot be had."""
    name = f"{source.name} {source.pretrained}" if source.pretrained else source.name
    reason = (str(error).splitlines() or [type(error).__name__])[0]
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

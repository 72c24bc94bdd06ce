"""Finding a model's folder and its identity (a digest of its files) without loading torch."""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from strive.cache.digest import digest_file, digest_json
from strive.configs.errors import MissingError, UsageError

WEIGHTS = ("*.safetensors",)
SETTINGS = ("*.json", "*.jinja", "*.txt", "*.model")
NOT_THE_MODEL = {"manifest.json"}


def resolve_model(model: str) -> Path:
    """The folder of `model`: "demo", a model folder, a run folder (its `policy/`), or a Hugging Face id.

    A hub model is fetched when it is not in the local cache. Raises MissingError when weights can't be had, UsageError
    when the folder is no model.
    """
    if model == "demo":
        return _checked(Path(str(files("strive.stages.demo.models"))) / "policy", "the shipped demo policy")
    folder = Path(model).expanduser()
    if folder.is_dir():
        inner = folder / "policy"
        _refuse_unfinished(folder, model)
        return _checked(inner if (inner / "config.json").is_file() else folder, model)
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise MissingError(f"no model at {model}", "a folder, a run folder, a Hugging Face id (owner/name) or demo.",
                           "Check --model.")
    return _checked(_from_hub(model), model)


def _refuse_unfinished(folder: Path, name: str) -> None:
    ours = (folder / "run.json").is_file() or (folder / "checkpoints").is_dir()
    if ours and not any((place / "config.json").is_file() for place in (folder, folder / "policy")):
        best = f", or give {folder / 'best'}" if (folder / "best" / "config.json").is_file() else ""
        raise MissingError(f"{name}: the run is not finished: it has no policy/ yet", "a run that has all its steps.",
                           f"Run the same train command again to finish it{best}.")


def model_identity(model: str) -> str:
    """`sha256:…` over names and contents of the model's weights and settings; equal for equal files anywhere."""
    folder = resolve_model(model)
    names = sorted(path.relative_to(folder).as_posix() for path in _files(folder, (*WEIGHTS, *SETTINGS)))
    return digest_json({name: _content(folder / name) for name in names})


def _content(path: Path) -> str:
    """The file's digest; in the hub's cache, large files are links to blobs named by their sha256."""
    target = path.resolve().name if path.is_symlink() else ""
    if len(target) == 64 and set(target) <= set("0123456789abcdef"):
        return f"sha256:{target}"
    return digest_file(path)


def _files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in folder.glob(pattern)
            if path.is_file() and path.name not in NOT_THE_MODEL]


def _checked(folder: Path, name: str) -> Path:
    if not (folder / "config.json").is_file():
        raise MissingError(f"{name}: no config.json in {folder}", "a Hugging Face model folder.", "Check --model.")
    weights = _files(folder, WEIGHTS)
    if not weights:
        other = [path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern)]
        found = f" (only {', '.join(sorted(other))}, a format that can run code)" if other else ""
        raise MissingError(f"{name}: no weights in {folder}{found}", "*.safetensors.",
                           "Convert or download the weights in safetensors format.")
    _check_shards(folder, name)
    if not any((folder / file).is_file() for file in ("processor_config.json", "preprocessor_config.json")):
        raise UsageError(f"{name}: model folder {folder} has no processor",
                         "preprocessor_config.json or processor_config.json and the tokenizer's files.",
                         "Copy the processor's files of the original model into the folder.")
    if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.json", "tokenizer.model")):
        raise UsageError(f"{name}: model folder {folder} has no tokenizer", "tokenizer.json or vocab.json.",
                         "Copy the tokenizer's files of the original model into the folder.")
    return folder


def _check_shards(folder: Path, name: str) -> None:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return
    shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    missing = sorted(shard for shard in shards if not (folder / shard).is_file())
    if missing:
        raise MissingError(f"{name}: {len(missing)} of {len(shards)} weight files are not there ({missing[0]})",
                           "all files named in model.safetensors.index.json.", "Finish the download.")


def _from_hub(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    # the hub's own error derives from its HTTP library's, whichever that is (requests, httpx, httpx2)
    transport: Any = HfHubHTTPError.__bases__
    try:
        return Path(snapshot_download(model, allow_patterns=[*WEIGHTS, *SETTINGS]))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, EntryNotFoundError, HFValidationError, *transport) as error:
        raise MissingError(f"{model} can't be had from the Hugging Face hub ({type(error).__name__})",
                           "a model in the local cache, or a connection to the hub.",
                           f"Fetch it on a machine with network: hf download {model}, or give a folder.") from error

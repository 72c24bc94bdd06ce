"""Which scorer is meant, and what it is known by in keys: found out without importing torch or open_clip."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from strive.cache.key import library_series
from strive.cache.store import Store
from strive.configs.data_stages import ScoreConfig
from strive.configs.errors import MissingError, UsageError

CONFIG_FILE = "open_clip_config.json"
WEIGHTS = ("*.safetensors", "*.bin", "*.pth")
PARTS = (*WEIGHTS, "*.json", "*.txt", "*.model")
PATH_STARTS = ("/", "./", "../", "~")
LIBRARIES = ("open_clip_torch", "torch")


@dataclass(frozen=True)
class ModelSource:
    """Where open_clip finds a model: a folder, or a name (with a pretrained tag or a weights file)."""

    name: str
    folder: Path | None = None
    pretrained: str | None = None


def find_model(config: ScoreConfig) -> ModelSource:
    """The model that `score.model` and `score.pretrained` mean: `demo`, a folder, `hf-hub:…`, or a name and a tag.

    Raises `MissingError` for a folder without a model in it, `UsageError` for a name without a tag.
    """
    model = config.model
    if model == "demo":
        return in_folder(Path(str(files("strive.stages.demo.models"))) / "clip")
    if model.startswith("hf-hub:"):
        return ModelSource(model)
    path = Path(model.removeprefix("local-dir:")).expanduser()
    if model.startswith(("local-dir:", *PATH_STARTS)) or (path / CONFIG_FILE).is_file():
        return in_folder(path)
    if not config.pretrained:
        raise UsageError(f"score.pretrained is empty for {model}", "an open_clip tag: random weights see nothing",
                         "Set score.pretrained, for instance laion2b_s34b_b79k.")
    return ModelSource(model, pretrained=config.pretrained)


def in_folder(folder: Path) -> ModelSource:
    """A local open_clip folder, checked for its two parts."""
    for patterns, part in (((CONFIG_FILE,), CONFIG_FILE), (WEIGHTS, "weights (open_clip_model.safetensors)")):
        if not any(found for pattern in patterns for found in folder.glob(pattern)):
            raise MissingError(f"{folder}: no {part}", "an open_clip model folder",
                               "Set score.model to such a folder, to an open_clip name, or to demo.")
    return ModelSource(f"local-dir:{folder}", folder=folder)


def identity(config: ScoreConfig, store: Store) -> dict[str, Any]:
    """What enters keys for the scorer: digests of local weights, names of published ones, library series; no path."""
    if config.scorer == "random":
        return {"scorer": "random", "seed": config.seed}
    if config.scorer == "hash":
        return {"scorer": "hash"}
    source = find_model(config)
    known: dict[str, Any] = {"scorer": "clip", "libraries": library_series(*LIBRARIES)}
    if source.folder is not None:
        return {**known, "weights": store.folder_digest(source.folder, PARTS)}
    if source.pretrained and Path(source.pretrained).is_file():
        return {**known, "model": source.name, "weights": store.video_digest(Path(source.pretrained))}
    return {**known, "model": source.name, "pretrained": source.pretrained}

"""What two configs, however they are kept, set differently: presets, recipes, YAML files, run folders, artefacts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strive.configs.errors import UsageError
from strive.configs.load import SECTIONS, check_key, flatten, nearest, nest, read_yaml, shipped, shipped_names, validate
from strive.configs.schema import Config


def read_settings(name: str) -> dict[str, Any]:
    """The dotted keys that `name` stands for with their values, defaults filled in.

    An artefact (a folder with manifest.json) has the keys of its own stage only. Raises `UsageError` when `name` is
    nothing of the kind, or has keys that do not exist.
    """
    path = Path(name)
    manifest = path if path.name == "manifest.json" else path / "manifest.json"
    if manifest.is_file():
        return read_manifest(manifest)
    if (path / "config.yaml").is_file():
        return resolved(read_yaml(path / "config.yaml"), str(path))
    if path.is_file():
        return resolved(read_yaml(path), name)
    if name in ("default", "defaults"):
        return resolved({}, name)
    for kind in ("recipes", "presets"):
        if name in shipped_names(kind):
            return resolved(shipped(kind, name), name)
    names = [*shipped_names("recipes"), *shipped_names("presets"), "defaults"]
    raise UsageError(
        f"{name}: no config of that name",
        f"{', '.join(names)}, a YAML file, a run folder or an artefact folder",
        nearest(name, names).replace("config show", "config ls"),
    )


def read_manifest(path: Path) -> dict[str, Any]:
    """The settings that an artefact was made with, as `stage.key`."""
    try:
        manifest = json.loads(path.read_text("utf-8"))
        stage, settings = str(manifest["stage"]), dict(manifest["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a manifest", "the manifest of an artefact", "Check the path.") from error
    return {f"{stage}.{key}": value for key, value in settings.items()}


def resolved(tree: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A tree over the defaults, as dotted keys in the order of the schema."""
    for key, _ in flatten(tree):
        check_key(key, source)
    config: Config = validate(nest(dict(flatten(tree))), {})
    dumped = config.model_dump(mode="json")
    return {**{"model": dumped["model"]}, **{f"{s}.{key}": value for s in SECTIONS for key, value in dumped[s].items()}}


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys that both have with different values."""
    return {key: (first[key], second[key]) for key in first if key in second and first[key] != second[key]}

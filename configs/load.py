"""Resolves the config and remembers the source of each value.

Later wins: defaults, preset, recipe, user file, --config files, STRIVE_* environment, --set, dedicated flags.
"""

import difflib
import os
import reprlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from strive.configs.errors import MissingError, UsageError
from strive.configs.schema import Config

SHORT = reprlib.Repr()
SHORT.maxstring, SHORT.maxother = 200, 200  # YAML's references can make a few lines stand for gigabytes
SECTIONS = ("fetch", "extract", "score", "variants", "train", "eval", "demo")


@dataclass(frozen=True)
class Resolved:
    """A validated config and, for each dotted key that is not a default, where its value came from."""

    config: Config
    sources: dict[str, str]


def load(
    *,
    preset: str | None = None,
    recipe: str | None = None,
    config_files: Iterable[Path] = (),
    env: Mapping[str, str] | None = None,
    sets: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Resolved:
    """Lay the sources over each other, later ones win, and validate once.

    Raises `UsageError` for an unknown key (naming the nearest), a wrong value, a broken YAML file or an unknown
    preset, `MissingError` for a file that is not there.
    """
    layers: list[tuple[str, dict[str, Any]]] = []
    if preset:
        layers.append((f"preset {preset}", shipped("presets", preset)))
    if recipe:
        layers.append((f"recipe {recipe}", shipped("recipes", recipe)))
    user = user_file()
    if user.is_file():
        layers.append((str(user), read_yaml(user)))
    layers += [(str(path), read_yaml(path)) for path in config_files]
    layers.append(("environment", from_env(os.environ if env is None else env)))
    layers.append(("--set", from_sets(sets)))
    layers.append(("command line", nest({k: v for k, v in (flags or {}).items() if v is not None})))
    tree: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, layer in layers:
        for key, value in flatten(layer):
            check_key(key, name)
            put(tree, key, value)
            sources[key] = name
    return Resolved(validate(tree, sources), sources)


def user_file() -> Path:
    """The user's own config file, `$XDG_CONFIG_HOME/strive/config.yaml`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "strive" / "config.yaml"


def shipped_names(kind: str) -> list[str]:
    """Names of the shipped presets or recipes."""
    return sorted(p.name[:-5] for p in files(f"strive.configs.{kind}").iterdir() if p.name.endswith(".yaml"))


def shipped(kind: str, name: str) -> dict[str, Any]:
    """A shipped preset or recipe as a tree."""
    names = shipped_names(kind)
    if name not in names:
        raise UsageError(f"unknown {kind[:-1]} {name!r}", f"one of {', '.join(names)}", nearest(name, names))
    return parse_yaml(
        files(f"strive.configs.{kind}").joinpath(f"{name}.yaml").read_text("utf-8"), f"{kind[:-1]} {name}"
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """A user's YAML file as a tree."""
    if not path.is_file():
        raise MissingError(f"{path}: no such config file", "a YAML file", "Check the path given to --config.")
    try:
        text = path.read_text("utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path}: cannot be read ({error})", "a YAML file in UTF-8", "Mend the file.") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """YAML text as a mapping; `yaml.safe_load` only, so no object is ever constructed."""
    try:
        tree = yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(
            f"{name}: not YAML ({str(error).splitlines()[0]})", "key: value lines", "Mend the file."
        ) from error
    if not isinstance(tree, dict):
        raise UsageError(
            f"{name}: a {type(tree).__name__}", "a mapping of sections (extract, score, …)", "Mend the file."
        )
    return tree


def from_env(env: Mapping[str, str]) -> dict[str, Any]:
    """`STRIVE_TRAIN_LEARNING_RATE=1e-5` sets `train.learning_rate`; other STRIVE_ names are not config."""
    tree: dict[str, Any] = {}
    for name, value in env.items():
        parts = name.lower().split("_", 2)
        if len(parts) == 3 and parts[0] == "strive" and parts[1] in SECTIONS:
            put(tree, f"{parts[1]}.{parts[2]}", scalar(value))
    return tree


def from_sets(sets: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs; the value is read as YAML, so numbers, lists and null work."""
    tree: dict[str, Any] = {}
    for pair in sets:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: no =", "KEY=VALUE, for example train.steps=200", "Add the value.")
        try:
            put(tree, key.strip(), scalar(value))
        except RecursionError as error:
            raise UsageError(f"--set {key}: nested too deeply", "a plain value", "Mend the value.") from error
    return tree


def scalar(text: str) -> Any:
    """One YAML value; `1e-5` is a number here, as people expect and YAML 1.1 does not."""
    if "e" in text.lower():
        with suppress(ValueError):
            return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def flatten(tree: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Sections become dotted keys; values inside a section stay whole (lists and dicts replace, never merge)."""
    pairs: list[tuple[str, Any]] = []
    for section, value in tree.items():
        if section in SECTIONS and isinstance(value, Mapping):
            pairs += [(f"{section}.{name}", inner) for name, inner in value.items()]
        else:
            pairs.append((str(section), value))
    return pairs


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys become sections."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        put(tree, key, value)
    return tree


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, one section deep."""
    section, dot, name = key.partition(".")
    if dot and section in SECTIONS:
        tree.setdefault(section, {})[name] = value
    else:
        tree[key] = value


def known_keys() -> list[str]:
    """Every dotted key of the schema."""
    keys = ["model"]
    for section in SECTIONS:
        schema = type(getattr(Config(), section))
        keys += [f"{section}.{name}" for name in schema.model_fields]
    return keys


def check_key(key: str, source: str) -> None:
    """Raise `UsageError` naming the nearest key when this one does not exist."""
    keys = known_keys()
    if key not in keys:
        raise UsageError(f"unknown key {key} (from {source})", "a key of `strive config show`", nearest(key, keys))


def nearest(name: str, names: Iterable[str]) -> str:
    """A did-you-mean sentence."""
    close = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else "See `strive config show`."


def validate(tree: dict[str, Any], sources: Mapping[str, str]) -> Config:
    """The frozen config, or a `UsageError` that names key, value and source."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][:2])
        where = f" (from {sources[key]})" if key in sources else ""
        given = "" if isinstance(first.get("input"), dict) else f" = {SHORT.repr(first.get('input'))}"
        raise UsageError(
            f"{key}{given}{where}: {first['msg'].removeprefix('Value error, ')}",
            "a value the schema allows",
            "See `strive config show` for each key and its meaning.",
        ) from error
